#include "compress/pack/steps.h"

#include "ops/quant/step_activation.h"

namespace bantam::packed {

bool has_steps(const QuantSpec& codes) {
  return codes.scheme == Scheme::kTanh && !grid_of(codes, Operand::kActivation).is_signs();
}

std::vector<float> float_thresholds(const QuantSpec& quant) {
  const StepTable table = step_table(quant);
  std::vector<float> t;
  for (int i = 0; i < table.count; ++i) t.push_back(float(table.thresholds[i]));
  return t;
}

StageRecord steps_stage(FileBuilder* file, const QuantSpec& quant) {
  const StepTable table = step_table(quant);
  const int add = grid_of(quant, Operand::kActivation).add;
  std::vector<float> values;
  for (int i = 0; i <= table.count; ++i) values.push_back(has_steps(quant) ? float(i + add) : float(table.values[i]));
  StageRecord r;
  r.kind = uint8_t(StageKind::kSteps), r.steps = uint8_t(table.count);
  r.a = file->payload(float_thresholds(quant)), r.b = file->payload(values);
  return r;
}

}  // namespace bantam::packed
