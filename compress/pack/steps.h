// Activations on steps that are not even: thresholds and values, so that the device needs no logarithm and no tanh.
// [ops/quant/step_activation.h]
#pragma once

#include <vector>

#include "compress/pack/packed_file.h"
#include "ops/quant/scheme.h"

namespace bantam::packed {

// Whether codes are made by thresholds on floats, as tanh's are: the stage below then makes their numbers
// [TensorRecord: byte + add], of which the codes are taken with the factor 1.
bool has_steps(const QuantSpec& codes);

// The stage of such codes, or of a codebook that is a table: of that the values.
StageRecord steps_stage(FileBuilder* file, const QuantSpec& quant);

// The evaluation's thresholds in f32.
std::vector<float> float_thresholds(const QuantSpec& quant);

}  // namespace bantam::packed
