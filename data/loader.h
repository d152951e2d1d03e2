// Batches of a data set, in an order and with an augmentation that are functions of (seed, epoch, step) alone, made
// ahead of the training step on threads of the loader's own.
//
//   Batcher                     what batch (epoch, step) is: a pure function, no state
//   Loader                      the same batches one after the other, in any number of threads the same bytes
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/tensor.h"
#include "data/dataset.h"
#include "data/sample.h"

namespace bantam {

struct BatchSpec {
  int64_t batch = 128;
  bool shuffle = false;    // a permutation by (seed, epoch); otherwise the data set's order
  bool drop_last = false;  // leave out the last batch of an epoch if it is not full
  uint64_t seed = 0;
  SampleSpec sample = {};       // sizes and augmentation: evaluation at the data set's size by default
  std::vector<double> mean{0};  // one value a channel, or one for all
  std::vector<double> std{1};
  bool bytes = false;  // hand out bytes, and what they stand for, instead of values; not with lighting
};

struct Batch {
  int64_t epoch = 0;
  int64_t step = 0;  // within the epoch
  bool last_of_epoch = false;
  std::vector<uint32_t> indices;  // [n] of the data set
  Tensor x;                       // f32 [n,H,W,C], augmented and normalized; of bytes u8, augmented
  Tensor byte_values;             // f32 [C,256]: of bytes, the normalized value of each; undefined otherwise
  Tensor y;                       // i32 [n]

  int64_t size() const { return int64_t(indices.size()); }
};

// The data set must outlive it. Throws Error if the spec does not fit the data, or gives no batch at all.
// Images that are not decoded yet are decoded when their batch is made, each time, by the thread that makes it.
class Batcher {
 public:
  Batcher(const Dataset& data, const BatchSpec& spec);

  const BatchSpec& spec() const { return spec_; }
  int64_t steps_per_epoch() const { return steps_; }
  int h() const { return spec_.sample.h; }
  int w() const { return spec_.sample.w; }
  Tensor empty_x() const;  // f32 or u8 [batch,H,W,C], uninitialized: room for the largest batch
  Tensor empty_y() const;  // i32 [batch]

  // The order in which an epoch visits the data set: each index once.
  std::vector<uint32_t> order(int64_t epoch) const;
  // Batch `step` of the epoch whose order is given, written into the first rows of x and y. Throws Error on a label
  // that is no class, naming the sample, FileError on an image that is damaged. Memory of `batch` and `scratch` is used
  // again.
  void make(const std::vector<uint32_t>& order, int64_t epoch, int64_t step, const Tensor& x, const Tensor& y,
            SampleScratch* scratch, Batch* batch) const;
  // The same in fresh memory.
  Batch make(int64_t epoch, int64_t step) const;

 private:
  const Dataset& data_;
  BatchSpec spec_;
  int64_t steps_ = 0;
  std::vector<float> tables_;  // [C,256]; of bytes in a tensor, for the net
  Tensor byte_values_;
};

struct LoaderThreads {
  int workers = 1;  // threads that make batches; 0: next() makes them (always so in serial builds and in a DryRun)
  int ahead = 2;    // batches ready at most, beside the one in use
};

class Loader {
 public:
  // Starts to work at once. Holds 1 + ahead batches of memory from the pool for its whole life (1 without workers), so
  // the pool's high-water mark does not depend on timing.
  Loader(const Dataset& data, const BatchSpec& spec, const LoaderThreads& threads = {});
  ~Loader();  // waits for the batches being made
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Step 0 of epoch 0, step 1, ... then epoch 1 and so on without end: the caller counts. The reference, and the memory
  // of its tensors, are the caller's until the next call of next() or seek() (a tensor that is still held then keeps
  // its memory, and the loader takes new). An exception thrown while a batch was made comes out here, in that batch's
  // turn.
  const Batch& next();
  // The next batch will be (epoch, step): exactly what an uninterrupted loader would give there. step may equal
  // steps_per_epoch(), which is step 0 of the next epoch.
  void seek(int64_t epoch, int64_t step);

  const Batcher& batcher() const;
  int64_t steps_per_epoch() const { return batcher().steps_per_epoch(); }
  int workers() const;
  double wait_seconds() const;  // that next() has taken so far: waiting for a worker, or making the batch itself

 private:
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace bantam
