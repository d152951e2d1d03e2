// A packed model in memory that is ready to run on the host: the C interface (compress/runtime/bnt.h) with its memory
// held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compress/runtime/bnt.h"

namespace bantam {

class PackedModel {
 public:
  // Throws Error naming the status, the op and the byte if the file is not sound.
  explicit PackedModel(const std::vector<uint8_t>& file);
  PackedModel(const PackedModel&) = delete;
  PackedModel& operator=(const PackedModel&) = delete;
  ~PackedModel();

  const bnt_info& info() const { return info_; }
  size_t file_bytes() const { return file_bytes_; }
  size_t arena_bytes() const { return size_t(info_.arena_base) + info_.arena_per_lane; }  // of one lane
  std::string class_name(uint32_t i) const;
  const bnt_model& model() const { return model_; }

  // Later runs are of this switch, those of later sessions too; 0 at first.
  void set_switch(uint32_t index);
  // n images [h][w][c] -> n * classes scores, on this thread.
  std::vector<float> run(const uint8_t* images, size_t n);
  // One image, each tensor shown to `tap`.
  std::vector<float> run_traced(const uint8_t* image, const std::function<void(const bnt_view&)>& tap);
  // A second session on the same model, with an arena of its own: on this thread, or with as many lanes as threads()
  // now says. The latter runs while threads() is that number, outside of any parallel_for.
  std::unique_ptr<PackedModel> another_session() const;
  std::unique_ptr<PackedModel> parallel_session() const;

  // Is this file one? Looks at its first bytes.
  static bool is_packed(const uint8_t* data, size_t size);

 private:
  struct Memory;
  explicit PackedModel(const PackedModel& other, const bnt_parallel* parallel);
  void open(const bnt_parallel* parallel);

  std::shared_ptr<Memory> shared_;  // file and weights
  std::unique_ptr<Memory> arena_;
  size_t file_bytes_ = 0;
  uint32_t switch_ = 0;
  bnt_info info_{};
  bnt_model model_{};
  bnt_session session_{};
};

}  // namespace bantam
