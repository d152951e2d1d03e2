// A checkpoint: named tensors, named integers and named texts in one safetensors file, replaced atomically and durably.
// What the names mean is the caller's: a net's parameters have torchvision's, the optimizer's state has its own, texts
// hold the net and the recipe as JSON. Equal content gives equal bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/safetensors.h"
#include "core/tensor.h"

namespace bantam {

struct Checkpoint {
  std::map<std::string, Tensor> tensors = {};    // f32, f64, i32, u8; as they lie in memory: layouts are the caller's
  std::map<std::string, int64_t> integers = {};  // tensors of rank 0 and type I64 (num_batches_tracked)
  StMetadata metadata = {};
  // To be written beside `tensors`: their bytes are made as the file is. None after loading.
  std::vector<SafeTensor> made = {};

  // The tensor, integer or text of that name; FileError, naming `path`, if there is none.
  const Tensor& tensor(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  const std::string& text(const std::string& name) const;

  std::string path = {};  // where it was loaded from, for errors
};

// An entry without bytes.
SafeTensor entry_of(const std::string& name, DType dtype, const Shape& shape);

// IoError if the disk refuses; Error if a name is used twice or a tensor has no data.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint, bool keep_previous = false);

// StError, FileError, IoError as SafeTensors::read. FileError for a tensor that bantam has no type for.
Checkpoint load_checkpoint(const std::string& path);
Checkpoint checkpoint_of(const SafeTensors& file);

// The tensor in the type that holds it: F32, F64, I32, U8 as they are, BOOL as u8, F16 and BF16 as f32 (exact), I64,
// I16, U16 and I8 as i32. FileError if a value does not fit, for more than Shape::kMaxRank dimensions, and for other
// types.
Tensor tensor_of(const SafeTensor& entry, const std::string& path);

}  // namespace bantam
