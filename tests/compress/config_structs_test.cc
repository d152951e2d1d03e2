// What a user of the library fills in by hand. Each struct is written here with one member named: a member without an
// initializer is then a warning (-Wmissing-field-initializers), which is an error. tests/lint.sh compares the list with
// the headers that are installed.
#include <doctest/doctest.h>

#include "compress/net_checkpoint.h"
#include "compress/step/step.h"
#include "data/loader.h"
#include "nn/models/models.h"
#include "nn/quantize.h"
#include "nn/weights_file.h"
#include "ops/conv2d.h"
#include "ops/loss.h"
#include "ops/norm_act.h"
#include "ops/pool.h"
#include "ops/quant/quantize.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

using namespace bantam;

TEST_CASE("config structs: who names one member gets the others' defaults") {
  // Of nets.
  CHECK(InputConfig{.h = 28}.c == 0);
  CHECK(ConvConfig{.out_channels = 8}.kernel_h == 1);
  CHECK(ConvConfig{.groups = 2}.weight == QuantSpec{});
  CHECK(LinearConfig{.out_features = 10}.bias);
  CHECK(BatchNormConfig{.eps = 1e-3}.momentum == 0.1);
  CHECK(PReluConfig{.slopes = 8}.parameter.empty());
  CHECK(PoolConfig{.kernel_h = 3}.stride_w == 2);
  CHECK(AdaptivePoolConfig{.out_h = 7}.out_w == 1);
  CHECK(QuantizeConfig{.quant = {.scheme = Scheme::kNone}}.quant.surrogate == Surrogate::kIdentity);
  CHECK(InputScaleConfig{.kernel_h = 3}.stride_w == 1);
  CHECK(DropoutConfig{.p = 0.1}.p == 0.1);
  CHECK(QuantSpec{.scheme = Scheme::kSign}.surrogate == Surrogate::kIdentity);
  CHECK(NodeSpec{.name = "conv1"}.inputs.empty());
  CHECK(NetSpec{.classes = 10}.nodes.empty());
  CHECK(ModelOptions{.width = 0.5}.classes == 10);
  CHECK(QuantRecipe{.first = true}.changes_nothing());
  CHECK_FALSE(QuantRecipe::Layer{.pattern = "conv*"}.weight);
  CHECK(NormGroup{.conv = 1}.pre == -1);
  CHECK_FALSE(ParameterSpec{.name = "x"}.shared);
  // Of passes and steps.
  CHECK_FALSE(Context{.dropout = true}.for_backward);
  CHECK(Segment{.end = 1}.begin == 0);
  CHECK(TrainingPass{.plan = nullptr}.context.for_backward);
  CHECK(StepSpec{.clip_norm = 1}.update == UpdateMode::kAfter);
  CHECK(ParameterGroup{.weight_decay = 1e-4}.lr_scale == 1);
  CHECK_FALSE(SgdConfig{.momentum = 0.9}.nesterov);
  CHECK(AdamConfig{.beta1 = 0.5}.beta2 == 0.999);
  CHECK(Schedule{.lr = 1}.warmup_steps == 0);
  CHECK(Conv2dParams{.pad_h = 1}.groups == 1);
  CHECK_FALSE(QuantInputs{.of_batch = true}.scale.defined());
  CHECK(PoolParams{.kernel_h = 3}.kernel_w == 2);
  CHECK(CrossEntropyOptions{.label_smoothing = 0.1}.ignore < 0);
  CHECK(NormForm{.eps = 1e-3}.momentum == 0.1);
  CHECK_FALSE(NormInputs{.running_mean = nullptr}.slope.defined());
  // Of data.
  CHECK(BatchSpec{.batch = 64}.sample.h == 0);
  CHECK(SampleSpec{.h = 32}.plain());
  CHECK_FALSE(Augment{.pad = 4}.flip);
  CHECK(ResizedCrop{.on = true}.scale_high == 1);
  CHECK(ColorJitter{.hue = 0.1}.on());
  CHECK(Lighting{.stddev = 0.1}.values[0] == 0.2175);
  CHECK(LoaderThreads{.workers = 2}.ahead == 2);
  // Of files.
  CHECK(NetInfo{.recipe_toml = "x"}.class_names.empty());
  CHECK(TrainingState{.step = 5}.best_top1 == -1);
  CHECK(PackOptions{.lut = {1}}.test_image.empty());
  CHECK(WeightRules{.allow_missing = {"*"}}.allow_unexpected.empty());
  CHECK(Checkpoint{.path = "x"}.tensors.empty());
  CHECK(SafeTensor{.name = "x"}.bytes.empty());
}
