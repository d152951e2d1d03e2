"""The three forms in which the comparisons train a net, and the keys and flags that stand for them."""
SCHEMES = {"float": ("none", "none"), "binaryconnect": ("sign", "none"), "bnn": ("sign", "sign")}


def form_of(quant):
    """The form of a recipe's [quant]: what its codebooks of weights and activations are called together."""
    return {v: k for k, v in SCHEMES.items()}[quant["weight"], quant["activation"]]


def flags_of(net, form):
    """What net_pass is told."""
    weight, activation = SCHEMES[form]
    order = "hardtanh" if form == "bnn" and net != "resnet14" else "standard"
    return ["--weight", weight, "--activation", activation, "--order", order]
