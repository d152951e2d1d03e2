// The last step of packing: the packed net computes what the trained one does, or there is no file.
#pragma once

#include <memory>

#include "compress/pack/pack.h"
#include "compress/pack/packed_model.h"
#include "compress/pack/trained_net.h"

namespace bantam::packed {

// How many images a net is checked on that takes so many multiply-accumulates for one: 4, but fewer where they would
// take more than 2e9 in all, and always one.
int images_to_check(uint64_t macs);

// Runs both nets on so many images: the test image if there is one, noise, all 0, all 255, more noise. Throws Error
// naming the first tensor of the packed run that differs from the evaluation forward in the canonical order in any bit,
// how many values do, and by how much at most. The packed net is at the net's switch.
void check_packed(const TrainedNet& net, std::unique_ptr<PackedModel> packed, const PackOptions& options);

}  // namespace bantam::packed
