#include "compress/net_checkpoint.h"

#include <cstring>
#include <filesystem>
#include <set>

#include "bantam_fault.h"
#include "core/json.h"
#include "core/rng.h"
#include "data/transforms.h"
#include "nn/weights_file.h"

namespace bantam {
namespace {

constexpr const char* kOptimizerPrefix = "optimizer.";
constexpr const char* kHookPrefix = "hook.";
constexpr int kStateSchema = 1;

bool starts_with(const std::string& s, const std::string& prefix) { return s.compare(0, prefix.size(), prefix) == 0; }

Json numbers(const std::vector<double>& v) {
  Json a = Json::array();
  for (double d : v) a.push(d);
  return a;
}

std::vector<double> read_numbers(const Json& j) {
  std::vector<double> v;
  for (const Json& e : j.as_array()) v.push_back(e.as_double());
  return v;
}

// One list of names for writing and reading.
template <class S, class F> void state_fields(S& s, F f) {
  f("step", s.step);
  f("optimizer_steps", s.optimizer_steps);
  f("loss_sum", s.loss_sum);
  f("right", s.right);
  f("images", s.images);
  f("best_top1", s.best_top1);
  f("best_step", s.best_step);
  f("log_bytes", s.log_bytes);
  f("data_fingerprint", s.data_fingerprint);
}

std::string state_json(const TrainingState& state) {
  Json j = Json::object({{"schema", kStateSchema}});
  state_fields(state, [&](const char* name, const auto& v) { j.set(name, v); });
  return j.dump();
}

TrainingState parse_state(const std::string& text) {
  const Json j = Json::parse(text);
  if (j.at("schema").as_int() != kStateSchema) throw JsonError("state of another version");
  TrainingState state;
  state_fields(state, [&](const char* name, auto& v) {
    using T = std::remove_reference_t<decltype(v)>;
    const Json& value = j.at(name);
    if constexpr (std::is_same_v<T, double>) {
      v = value.as_double();
    } else {
      if (value.as_int() < 0 || uint64_t(value.as_int()) > uint64_t(std::numeric_limits<T>::max()))
        throw JsonError(std::string(name) + " is out of range");
      v = T(value.as_int());
    }
  });
#ifdef BANTAM_FAULT_RESUME_FORGETS_THE_EPOCH
  state.loss_sum = 0;
#endif
  return state;
}

NetInfo read_info(const Checkpoint& file) {
  const auto at = [&](const char* key) -> const std::string& {
    const auto it = file.metadata.find(key);
    if (it == file.metadata.end())
      throw FileError(file.path, std::string("is no checkpoint of bantam: its metadata has no ") + key);
    return it->second;
  };
  NetInfo info;
  info.spec = net_spec_from_json(at("bantam.net"));
  const Json input = Json::parse(at("bantam.input"));
  info.mean = read_numbers(input.at("mean"));
  info.stddev = read_numbers(input.at("stddev"));
  const Json classes = Json::parse(at("bantam.classes"));
  for (const Json& name : classes.as_array()) info.class_names.push_back(name.as_string());
  if (const auto it = file.metadata.find("bantam.recipe"); it != file.metadata.end()) info.recipe_toml = it->second;

  const Shape in = infer_shapes(info.spec)[0];
  for (const std::vector<double>* v : {&info.mean, &info.stddev})
    if (v->size() != 1 && int64_t(v->size()) != in[3])
      throw JsonError("bantam.input has " + std::to_string(v->size()) + " channels, the net " + std::to_string(in[3]));
  for (double s : info.stddev)
    if (!(s > 0)) throw JsonError("bantam.input: stddev must be above 0");
  if (int64_t(info.class_names.size()) != info.spec.classes)
    throw JsonError("bantam.classes has " + std::to_string(info.class_names.size()) + " names, the net " +
                    std::to_string(info.spec.classes) + " classes");
  return info;
}

// Loads everything but the state of the optimizer and of hooks.
Parameters::LoadReport load_state(const Checkpoint& file, Parameters* parameters) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : file.tensors)
    if (!starts_with(name, kOptimizerPrefix) && !starts_with(name, kHookPrefix)) tensors.push_back({name, tensor});
  try {
    return parameters->load_state_dict(tensors, file.integers);
  } catch (const Error& e) {
    throw FileError(file.path, e.what());
  }
}

void require_complete(const Parameters::LoadReport& report, const std::string& path) {
  const auto count = [](size_t n) { return n > 1 ? " and " + std::to_string(n - 1) + " more" : std::string(); };
  if (!report.missing.empty())
    throw FileError(path, "has no tensor " + quote_name(report.missing[0]) + count(report.missing.size()));
  if (!report.unexpected.empty())
    throw FileError(
        path, "has a tensor that the net lacks: " + quote_name(report.unexpected[0]) + count(report.unexpected.size()));
}

// A net from an untrusted file must not take more memory than the file's tensors justify: in a dry run they take
// none.
void check_shapes(const NetSpec& spec, const Checkpoint& file) {
  DryRun dry;
  const Parameters parameters(spec);
  for (const NamedTensor& t : parameters.state_dict()) {
    const auto it = file.tensors.find(t.name);
    if (it == file.tensors.end()) throw FileError(file.path, "has no tensor " + quote_name(t.name));
    if (!(it->second.shape() == t.tensor.shape()))
      throw FileError(file.path, quote_name(t.name) + " is " + to_string(it->second.shape()) + ", in the net " +
                                     to_string(t.tensor.shape()));
  }
}

}  // namespace

void save_net(const std::string& path, const Parameters& parameters, const NetInfo& info, Optimizer* optimizer,
              const TrainingState* state, const std::vector<OptimizerState>& hooks) {
  Checkpoint file;
  // Weights and momenta change their layout on the way to the file: the whole of them is never there twice.
  const auto add = [&](const std::string& name, const Parameter& parameter, const Tensor& t) {
    SafeTensor entry = entry_of(name, t.dtype(), parameters.file_shape(parameter.name));
    entry.make = [&parameters, &parameter, t](const StSink& sink) {
      parameters.stream_file_layout(parameter.name, t, sink);
    };
    file.made.push_back(std::move(entry));
  };
  for (const Parameter* p : parameters.all()) add(p->name, *p, p->value);
  for (const NamedTensor& t : parameters.statistics()) file.tensors[t.name] = t.tensor;
  if (optimizer)
    for (const OptimizerState& s : optimizer->state()) add(kOptimizerPrefix + s.name, *s.parameter, *s.tensor);
  for (const OptimizerState& s : hooks) {
    if (s.parameter)
      add(kHookPrefix + s.name, *s.parameter, *s.tensor);
    else
      file.tensors[kHookPrefix + s.name] = *s.tensor;
  }
  file.integers = parameters.counters();
  Json names = Json::array();
  for (const std::string& n : info.class_names) names.push(n);
  file.metadata = {
      {"bantam.net", to_json(info.spec)},
      {"bantam.input", Json::object({{"mean", numbers(info.mean)}, {"stddev", numbers(info.stddev)}}).dump()},
      {"bantam.classes", names.dump()}};
  if (!info.recipe_toml.empty()) file.metadata["bantam.recipe"] = info.recipe_toml;
  if (state) file.metadata["bantam.state"] = state_json(*state);
  save_checkpoint(path, file);
}

std::string checkpoint_path(const std::string& path_or_run) {
  std::error_code error;
  return std::filesystem::is_directory(path_or_run, error) ? path_or_run + "/last.safetensors" : path_or_run;
}

NetCheckpoint load_net(const std::string& path_or_run) {
  const std::string path = checkpoint_path(path_or_run);
  const Checkpoint file = load_checkpoint(path);
  try {
    NetCheckpoint net;
    net.path = path;
    net.info = read_info(file);
    check_shapes(net.info.spec, file);
    net.net = std::make_unique<Net>(net.info.spec);
    require_complete(load_state(file, &net.net->parameters), path);
    const std::string optimizer = kOptimizerPrefix, hook = kHookPrefix;
    for (const auto& [name, tensor] : file.tensors) {
      if (starts_with(name, optimizer)) net.optimizer_tensors[name.substr(optimizer.size())] = tensor;
      if (starts_with(name, hook)) net.hook_tensors[name.substr(hook.size())] = tensor;
    }
    if (const auto it = file.metadata.find("bantam.state"); it != file.metadata.end())
      net.state = parse_state(it->second);
    return net;
  } catch (const JsonError& e) {
    throw FileError(path, std::string("metadata: ") + e.what());
  } catch (const Error& e) {
    throw FileError(path, std::string("metadata: ") + e.what());
  }
}

namespace {

// `what`: "optimizer", "hook".
void restore(const NetCheckpoint& checkpoint, const std::map<std::string, Tensor>& tensors, const std::string& what,
             const Parameters& parameters, const std::vector<OptimizerState>& states) {
  for (const OptimizerState& s : states) {
    const auto it = tensors.find(s.name);
    if (it == tensors.end()) throw FileError(checkpoint.path, "has no " + what + " state " + quote_name(s.name));
    try {
      if (!s.parameter && !(it->second.shape() == s.tensor->shape()))
        throw Error(s.name + " is " + to_string(it->second.shape()) + ", expected " + to_string(s.tensor->shape()));
      *s.tensor = s.parameter ? parameters.from_file_layout(s.parameter->name, it->second) : it->second;
    } catch (const Error& e) {
      throw FileError(checkpoint.path, what + " state " + std::string(e.what()));
    }
  }
  if (states.size() != tensors.size()) throw FileError(checkpoint.path, "holds the state of another " + what);
}

}  // namespace

void restore_hooks(const NetCheckpoint& checkpoint, const Parameters& parameters,
                   const std::vector<OptimizerState>& hooks) {
  restore(checkpoint, checkpoint.hook_tensors, "hook", parameters, hooks);
}

void restore_optimizer(const NetCheckpoint& checkpoint, const Parameters& parameters, Optimizer* optimizer) {
  restore(checkpoint, checkpoint.optimizer_tensors, "optimizer", parameters, optimizer->state());
  optimizer->set_steps(checkpoint.state->optimizer_steps);
}

std::string load_weights(const std::string& path, Net* net) {
  LoadedWeights loaded = WeightsFile(SafeTensors::read(checkpoint_path(path)),
                                     {{}, {std::string(kOptimizerPrefix) + "*", std::string(kHookPrefix) + "*"}})
                             .load(net->spec(), &net->parameters);
  loaded.left_out.clear();  // a run's optimizer state is no surprise
  return loaded.text();
}

PackOptions pack_options(const NetInfo& info) {
  const Shape in = infer_shapes(info.spec)[0];
  PackOptions options;
  options.lut = normalize_tables(int(in[3]), info.mean, info.stddev);
  options.class_names = info.class_names;
  options.test_image.resize(size_t(in.size()));
  const Rng rng(0, kRngTest);
  for (size_t i = 0; i < options.test_image.size(); ++i) options.test_image[i] = uint8_t(rng.below(i, 256));
  return options;
}

}  // namespace bantam
