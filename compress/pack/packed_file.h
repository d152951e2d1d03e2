// A packed model while it is being made: the tables of compress/runtime/format.h as vectors, and the bytes at the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compress/runtime/format.h"

namespace bantam::packed {

class FileBuilder {
 public:
  Header header;  // sizes, counts, magic and checksum are filled in by bytes()
  std::vector<TensorRecord> tensors;
  std::vector<OpRecord> ops;
  std::vector<StageRecord> stages;
  std::vector<uint32_t> classes;  // strings
  std::vector<SwitchRecord> switches;  // without ops: one of all of them
  std::vector<MetadataRecord> metadata;  // by key

  // Offset of this text among the strings; the same text gives the same offset.
  uint32_t string(const std::string& text);

  // Copies a payload and returns its handle, never 0: what the fields of records hold until bytes() puts the offset
  // there. With `share`, equal ones lie in the file once.
  bool share = false;
  uint32_t payload(const void* data, size_t bytes);
  template <class T> uint32_t payload(const std::vector<T>& v) { return payload(v.data(), v.size() * sizeof(T)); }
  template <class T> T payload_value(uint32_t handle, size_t i) const {
    T v;
    memcpy(&v, payloads_.data() + handle + i * sizeof(T), sizeof(T));
    return v;
  }
  void set_payload(uint32_t handle, size_t at, const void* data, size_t bytes);  // overwrites a part

  // The file. Throws Error if it would be larger than the format allows.
  std::vector<uint8_t> bytes() const;

 private:
  std::vector<uint8_t> strings_;
  std::map<std::string, uint32_t> known_;
  std::multimap<uint32_t, std::pair<uint32_t, size_t>> shared_;   // by checksum: handle, bytes
  std::vector<uint8_t> payloads_ = std::vector<uint8_t>(kAlign);  // handle h lies at h; nothing lies at 0
};

// Writes the right checksum into a file's bytes (at least a header).
void seal(std::vector<uint8_t>* file);

}  // namespace bantam::packed
