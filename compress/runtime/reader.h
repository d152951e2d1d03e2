// Reads a packed model in place. check() proves a file sound; after that the accessors below cannot leave it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compress/runtime/bnt.h"
#include "compress/runtime/format.h"
#include "compress/runtime/geometry.h"

namespace bantam::packed {

class Reader {
 public:
  Reader() = default;
  // Any bytes: reads only the header, and only if it is there. Call check() before anything else.
  Reader(const uint8_t* file, size_t size);

  // Fills *info, or says what is wrong and where. Never reads outside [file, file + size).
  bnt_status check(bnt_info* info, bnt_where* where) const noexcept;

  const Header& header() const { return header_; }
  TensorRecord tensor(uint32_t i) const {
    return read_record<TensorRecord>(file_ + places_.tensors + i * TensorRecord::kBytes);
  }
  OpRecord op(uint32_t i) const { return read_record<OpRecord>(file_ + op_offset(i)); }
  uint32_t op_offset(uint32_t i) const { return uint32_t(places_.ops) + i * OpRecord::kBytes; }
  StageRecord stage(uint32_t i) const {
    return read_record<StageRecord>(file_ + places_.stages + i * StageRecord::kBytes);
  }
  SwitchRecord switch_at(uint32_t i) const {
    return read_record<SwitchRecord>(file_ + places_.switches + i * SwitchRecord::kBytes);
  }
  MetadataRecord metadata(uint32_t i) const {
    return read_record<MetadataRecord>(file_ + places_.metadata + i * MetadataRecord::kBytes);
  }
  const char* string(uint32_t offset) const { return reinterpret_cast<const char*>(file_ + places_.strings + offset); }
  const char* class_name(uint32_t i) const { return string(load_le32(file_ + places_.classes + i * kClassBytes)); }
  // Payloads start on 64 bytes and the machine is little-endian.
  template <class T> const T* payload(uint32_t offset) const { return reinterpret_cast<const T*>(file_ + offset); }
  const uint8_t* file() const { return file_; }
  size_t size() const { return size_; }

  // Input dims of an op: its tensor's, or the image's.
  Dims input_dims(const OpRecord& op) const {
    if (op.in == kNone) return {header_.h, header_.w, header_.c};
    const TensorRecord t = tensor(op.in);
    return {t.h, t.w, t.c, t.elements()};
  }
  // Elements of the codes that an op makes besides its floats.
  Elements output_elements(const OpRecord& op) const {
    return op.out_codes == kNone ? Elements() : tensor(op.out_codes).elements();
  }
  // Geometry of a checked file's op; its stages go to stages[kMaxStages].
  Geometry geometry(const OpRecord& op, StageRecord* stages) const;

 private:
  const uint8_t* file_ = nullptr;
  size_t size_ = 0;
  Header header_;
  Places places_{};
};

// The checksum of a file as its header should hold it.
uint32_t checksum(const uint8_t* file, size_t size) noexcept;

}  // namespace bantam::packed
