#include "compress/pack/packed_file.h"

#include "compress/runtime/reader.h"
#include "core/base/crc32.h"
#include "core/tensor.h"

namespace bantam::packed {

uint32_t FileBuilder::string(const std::string& text) {
  const auto [it, fresh] = known_.emplace(text, uint32_t(strings_.size()));
  if (fresh) {
    strings_.insert(strings_.end(), text.begin(), text.end());
    strings_.push_back(0);
  }
  return it->second;
}

uint32_t FileBuilder::payload(const void* data, size_t bytes) {
  const size_t at = payloads_.size();
  if (share) {
    const uint32_t sum = crc32(static_cast<const uint8_t*>(data), bytes);
    const auto [begin, end] = shared_.equal_range(sum);
    for (auto it = begin; it != end; ++it)
      if (it->second.second == bytes && memcmp(payloads_.data() + it->second.first, data, bytes) == 0)
        return it->second.first;
    shared_.emplace(sum, std::pair(uint32_t(at), bytes));
  }
  if (at + bytes > kMaxFileBytes)
    throw Error("pack: the weights take more than " + std::to_string(kMaxFileBytes) + " bytes");
  payloads_.resize(round_up(at + bytes, kAlign));
  memcpy(payloads_.data() + at, data, bytes);
  return uint32_t(at);
}

void FileBuilder::set_payload(uint32_t handle, size_t at, const void* data, size_t bytes) {
  memcpy(payloads_.data() + handle + at, data, bytes);
}

std::vector<uint8_t> FileBuilder::bytes() const {
  Header h = header;
  memcpy(h.magic, kMagic, sizeof kMagic);
  h.version = kVersion;
  h.n_tensors = uint32_t(tensors.size());
  h.n_ops = uint32_t(ops.size());
  h.n_stages = uint32_t(stages.size());
  h.n_classes = uint32_t(classes.size());
  h.n_switches = uint32_t(switches.size());
  h.n_metadata = uint32_t(metadata.size());
  h.strings_bytes = uint32_t(strings_.size());
  const Places p = places_of(h);
  const uint64_t total = p.payloads + payloads_.size() - kAlign;
  if (total > kMaxFileBytes)
    throw Error("pack: the file would take " + std::to_string(total) + " bytes, the format allows 2^30");
  h.total_bytes = uint32_t(total);
  // From handle to offset: handles start at kAlign.
  const auto place = [&](uint32_t& field) {
    if (field) field += uint32_t(p.payloads - kAlign);
  };
  place(h.lut);
  place(h.self_test);

  std::vector<uint8_t> file(total);
  write_record(h, file.data());
  for (size_t i = 0; i < tensors.size(); ++i) write_record(tensors[i], &file[p.tensors + i * TensorRecord::kBytes]);
  for (size_t i = 0; i < ops.size(); ++i) {
    OpRecord op = ops[i];
    place(op.weights);
    place(op.thresholds);
    place(op.table);
    place(op.scales);
    write_record(op, &file[p.ops + i * OpRecord::kBytes]);
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    StageRecord s = stages[i];
    place(s.a);
    place(s.b);
    write_record(s, &file[p.stages + i * StageRecord::kBytes]);
  }
  for (size_t i = 0; i < classes.size(); ++i) store_le32(&file[p.classes + i * kClassBytes], classes[i]);
  for (size_t i = 0; i < switches.size(); ++i) {
    SwitchRecord s = switches[i];
    if (s.n_ops == 0) {  // all of the file
      s.n_ops = h.n_ops, s.output = h.output;
      s.arena_base = h.arena_base, s.arena_per_lane = h.arena_per_lane;
    }
    write_record(s, &file[p.switches + i * SwitchRecord::kBytes]);
  }
  for (size_t i = 0; i < metadata.size(); ++i)
    write_record(metadata[i], &file[p.metadata + i * MetadataRecord::kBytes]);
  memcpy(&file[p.strings], strings_.data(), strings_.size());
  memcpy(&file[p.payloads], payloads_.data() + kAlign, payloads_.size() - kAlign);
  seal(&file);
  return file;
}

void seal(std::vector<uint8_t>* file) { store_le32(file->data() + kCrcOffset, checksum(file->data(), file->size())); }

}  // namespace bantam::packed
