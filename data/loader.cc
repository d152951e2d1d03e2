#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "bantam_fault.h"
#include "core/pool.h"
#include "core/rng.h"

namespace bantam {
namespace {

#ifdef BANTAM_THREADS_SERIAL
constexpr bool kHaveThreads = false;
#else
constexpr bool kHaveThreads = true;
#endif

}  // namespace

Batcher::Batcher(const Dataset& data, const BatchSpec& spec) : data_(data), spec_(spec) {
  if (spec.batch < 1) throw Error("loader: batch " + std::to_string(spec.batch) + " is not positive");
  check_sample_spec(spec.sample, data, "loader");
  if (data.count < 1 || data.count > INT32_MAX)
    throw Error("loader: a data set of " + std::to_string(data.count) + " images cannot be batched");
  if (int64_t(data.labels.size()) != data.count ||
      (data.decoded() ? int64_t(data.images.size()) != data.count * data.image_bytes()
                      : int64_t(data.files.size()) != data.count))
    throw Error("loader: images or labels of the data set are not as many as its sizes say");
  steps_ = spec.drop_last ? data.count / spec.batch : (data.count + spec.batch - 1) / spec.batch;
  if (steps_ == 0)
    throw Error("loader: " + std::to_string(data.count) + " images give no full batch of " +
                std::to_string(spec.batch));
  if (spec.bytes && spec.sample.augment.lighting.stddev > 0) throw Error("loader: lighting changes values, not bytes");
  tables_ = normalize_tables(data.c, spec.mean, spec.std);
  if (spec.bytes) {
    const AllocLabel label("loader");
    byte_values_ = Tensor::empty({data.c, 256});
    if (!dry_run()) std::copy(tables_.begin(), tables_.end(), byte_values_.mutable_data<float>());
  }
  spec_.batch = std::min(spec.batch, data.count);
  if (spec_.sample.h == 0) spec_.sample.h = data.h;
  if (spec_.sample.w == 0) spec_.sample.w = data.w;
}

Tensor Batcher::empty_x() const {
  return Tensor::empty({spec_.batch, h(), w(), data_.c}, spec_.bytes ? DType::kU8 : DType::kF32);
}
Tensor Batcher::empty_y() const { return Tensor::empty({spec_.batch}, DType::kI32); }

std::vector<uint32_t> Batcher::order(int64_t epoch) const {
  if (spec_.shuffle) return Rng(spec_.seed, kRngShuffle, uint64_t(epoch)).permutation(uint32_t(data_.count));
  std::vector<uint32_t> order(size_t(data_.count));
  for (size_t i = 0; i < order.size(); ++i) order[i] = uint32_t(i);
  return order;
}

Batch Batcher::make(int64_t epoch, int64_t step) const {
  SampleScratch scratch;
  Batch batch;
  make(order(epoch), epoch, step, empty_x(), empty_y(), &scratch, &batch);
  return batch;
}

void Batcher::make(const std::vector<uint32_t>& order, int64_t epoch, int64_t step, const Tensor& x, const Tensor& y,
                   SampleScratch* scratch, Batch* batch) const {
  if (epoch < 0 || step < 0 || step >= steps_)
    throw Error("loader: step " + std::to_string(step) + " of epoch " + std::to_string(epoch) + " is not in 0 .. " +
                std::to_string(steps_ - 1));
  const int64_t begin = step * spec_.batch, end = std::min(begin + spec_.batch, data_.count);
  Batch& b = *batch;
  b.epoch = epoch;
  b.step = step;
  b.last_of_epoch = step == steps_ - 1;
  b.indices.assign(order.begin() + begin, order.begin() + end);
  b.x = x.slice_outer(0, end - begin);
  b.y = y.slice_outer(0, end - begin);
  b.byte_values = byte_values_;
  if (dry_run()) return;
  const int64_t elements = int64_t(h()) * w() * data_.c;
  float* values = spec_.bytes ? nullptr : b.x.mutable_data<float>();
  uint8_t* bytes = spec_.bytes ? b.x.mutable_data<uint8_t>() : nullptr;
  int32_t* py = b.y.mutable_data<int32_t>();
  for (const uint32_t i : b.indices) {
    const int32_t label = data_.labels[i];
    if (label < 0 || label >= data_.classes())
      throw Error("loader: sample " + std::to_string(i) + " has label " + std::to_string(label) +
                  ", the data set has " + std::to_string(data_.classes()) + " classes");
    *py++ = label;
    if (spec_.bytes) {
      make_sample_bytes(data_, i, spec_.sample, spec_.seed, uint64_t(epoch), scratch, bytes);
      bytes += elements;
    } else {
      make_sample(data_, i, spec_.sample, spec_.seed, uint64_t(epoch), tables_.data(), spec_.std, scratch, values);
      values += elements;
    }
  }
}

// Batches are numbered by tickets 0, 1, ... from the last seek on. Ticket t lives in slot t mod slots, which is free
// once ticket t - slots has been given back: so the queue is bounded, each batch has its place whoever makes it, and
// the consumer takes them in order. One mutex guards everything but the slot that its worker is filling.
struct Loader::State {
  struct Slot {
    Tensor x, y;  // room for a whole batch
    Batch batch;
    SampleScratch scratch;
    std::exception_ptr error;
    bool ready = false;
  };
  struct Order {
    int64_t epoch = -1;
    std::shared_ptr<const std::vector<uint32_t>> indices;
  };

  State(const Dataset& data, const BatchSpec& spec) : batcher(data, spec) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    work.notify_all();
    for (std::thread& t : threads) t.join();
  }

  // Where ticket t stands in the run.
  int64_t epoch_of(int64_t t) const { return first_epoch + (first_step + t) / batcher.steps_per_epoch(); }
  int64_t step_of(int64_t t) const { return (first_step + t) % batcher.steps_per_epoch(); }

  // Workers may be on both sides of an epoch's end: the last two orders are kept. Called under the mutex.
  std::shared_ptr<const std::vector<uint32_t>> order_of(int64_t epoch) {
    for (const Order& o : orders)
      if (o.epoch == epoch) return o.indices;
    Order& oldest = orders[0].epoch < orders[1].epoch ? orders[0] : orders[1];
    oldest = {epoch, std::make_shared<const std::vector<uint32_t>>(batcher.order(epoch))};
    return oldest.indices;
  }

  // Makes ticket t's batch with the mutex released meanwhile.
  void fill(int64_t t, std::unique_lock<std::mutex>& lock) {
    Slot& slot = slots[size_t(t) % slots.size()];
    const int64_t epoch = epoch_of(t), step = step_of(t);
    ++busy;
    std::exception_ptr error;
    try {
      const auto order = order_of(epoch);
      lock.unlock();
      batcher.make(*order, epoch, step, slot.x, slot.y, &slot.scratch, &slot.batch);
    } catch (...) {
      error = std::current_exception();
    }
    if (!lock.owns_lock()) lock.lock();
    slot.error = error;
    slot.ready = true;
    --busy;
  }

  void run_worker() {
    std::unique_lock lock(mutex);
    for (;;) {
      work.wait(lock, [&] { return stop || (!paused && started < given_back + int64_t(slots.size())); });
      if (stop) return;
      fill(started++, lock);
      done.notify_all();
    }
  }

  // The consumer has finished with ticket `given_back`.
  void give_back() {
    Slot& slot = slots[size_t(given_back) % slots.size()];
    slot.batch.x = slot.batch.y = Tensor();
    slot.error = nullptr;
    slot.ready = false;
    // Somebody still holds a tensor of it: leave them the memory.
    if (!slot.x.unique()) slot.x = batcher.empty_x();
    if (!slot.y.unique()) slot.y = batcher.empty_y();
    ++given_back;
  }

  const Batcher batcher;
  std::vector<Slot> slots;
  std::vector<std::thread> threads;

  std::mutex mutex;
  std::condition_variable work;  // a slot became free, or stop
  std::condition_variable done;  // a batch became ready
  bool stop = false;
  bool paused = false;
  int busy = 0;
  int64_t first_epoch = 0, first_step = 0;  // of ticket 0
  int64_t started = 0;                      // tickets below have a worker
  int64_t taken = 0;                        // tickets below have gone to the consumer
  int64_t given_back = 0;                   // tickets below have come back: taken or taken - 1
  Order orders[2];
  double wait_seconds = 0;
};

Loader::Loader(const Dataset& data, const BatchSpec& spec, const LoaderThreads& threads)
    : s_(std::make_unique<State>(data, spec)) {
  if (threads.workers < 0 || threads.ahead < 1)
    throw Error("loader: " + std::to_string(threads.workers) + " workers, " + std::to_string(threads.ahead) +
                " batches ahead: not possible");
  const int workers = kHaveThreads && !dry_run() ? threads.workers : 0;
  s_->slots.resize(workers == 0 ? 1 : size_t(threads.ahead) + 1);
  const AllocLabel label("loader");
  for (State::Slot& slot : s_->slots) {
    slot.x = s_->batcher.empty_x();
    slot.y = s_->batcher.empty_y();
  }
  for (int i = 0; i < workers; ++i) s_->threads.emplace_back([s = s_.get()] { s->run_worker(); });
}

Loader::~Loader() = default;

const Batch& Loader::next() {
  State& s = *s_;
  std::unique_lock lock(s.mutex);
  if (s.given_back < s.taken) s.give_back();
  State::Slot& slot = s.slots[size_t(s.taken) % s.slots.size()];
  if (!s.threads.empty()) s.work.notify_one();
  if (!slot.ready) {
    const auto begin = std::chrono::steady_clock::now();
    if (s.threads.empty())
      s.fill(s.started++, lock);
    else
      s.done.wait(lock, [&] { return slot.ready; });
    s.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  ++s.taken;
  if (slot.error) std::rethrow_exception(slot.error);
  return slot.batch;
}

void Loader::seek(int64_t epoch, int64_t step) {
  State& s = *s_;
  if (epoch < 0 || step < 0 || step > s.batcher.steps_per_epoch())
    throw Error("loader: cannot seek to step " + std::to_string(step) + " of epoch " + std::to_string(epoch) +
                ", an epoch has " + std::to_string(s.batcher.steps_per_epoch()) + " steps");
  {
    std::unique_lock lock(s.mutex);
    s.paused = true;
    s.done.wait(lock, [&] { return s.busy == 0; });
    // Tickets made or in use all come back, and counting starts anew.
    s.taken = s.started;
    while (s.given_back < s.taken) s.give_back();
    s.started = s.taken = s.given_back = 0;
    s.first_epoch = epoch;
#ifdef BANTAM_FAULT_SEEK_SKIPS_A_BATCH
    s.first_step = step + 1;
#else
    s.first_step = step;
#endif
    s.paused = false;
  }
  s.work.notify_all();
}

const Batcher& Loader::batcher() const { return s_->batcher; }
int Loader::workers() const { return int(s_->threads.size()); }

double Loader::wait_seconds() const {
  const std::lock_guard lock(s_->mutex);
  return s_->wait_seconds;
}

}  // namespace bantam
