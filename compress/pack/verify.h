// Is the packed model the trained net? Every tensor that the packed run materializes, and the scores, against the value
// of the node of that name in the evaluation forward: equal means equal bit for bit (0.0 and -0.0 differ;
// all NaNs are equal: which one an operation makes is the processor's choice).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compress/pack/packed_model.h"
#include "compress/pack/trained_net.h"

namespace bantam {

struct VerifiedTensor {
  std::string name;
  std::string type;  // "f32", "bits"
  int64_t h = 0, w = 0, c = 0;
  int64_t values = 0;  // compared so far
  int64_t differing = 0;
  double largest = 0;  // |difference|
};

struct VerifyReport {
  int64_t images = 0;
  std::vector<VerifiedTensor> tensors;       // in the order of the packed run
  int64_t values = 0, differing_values = 0;  // over all tensors
  int64_t differing_predictions = 0;         // images whose likeliest classes differ (the lower index wins ties)
  bool equal() const { return differing_values == 0 && differing_predictions == 0; }
};

class Verifier {
 public:
  // Throws Error if the file is not sound, or not of this net: another input size, class count, or a tensor that no
  // node has the name of.
  Verifier(const TrainedNet& net, std::unique_ptr<PackedModel> packed);
  Verifier(const Net& net, std::unique_ptr<PackedModel> packed)
      : Verifier(TrainedNet(net.plan, net.parameters), std::move(packed)) {}
  ~Verifier();

  // The likeliest class of each image, the lower index among equals.
  struct Predictions {
    std::vector<int> trained, packed;
  };
  // Images as bytes [n,h,w,c], with what each byte stands for.
  Predictions add(const Input& images);

  const VerifyReport& report() const { return report_; }
  const PackedModel& packed() const { return *sessions_[0]; }

 private:
  TrainedNet net_;
  std::vector<std::unique_ptr<PackedModel>> sessions_;  // one for each thread
  VerifyReport report_;
};

}  // namespace bantam
