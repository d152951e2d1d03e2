#include "cmd/run/train.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "cmd/errors.h"
#include "cmd/recipe/build.h"
#include "cmd/report/svg.h"
#include "cmd/report/text.h"
#include "cmd/run/evaluate.h"
#include "compress/angle_penalty.h"
#include "core/parallel.h"
#include "nn/models/models.h"

namespace bantam {
namespace {

// How far real weights point where their quantized ones do, by layer [T 6.4.2]; null where no layer is quantized.
Json latent_cosines(const Net& net) {
  const std::vector<LatentWeight> latent = latent_weights(net.spec(), net.parameters);
  if (latent.empty()) return {};
  Json layers = Json::object({});
  double sum = 0;
  for (const LatentWeight& w : latent) {
    const double cosine = mean_cosine(w);
    layers.set(w.layer, cosine);
    sum += cosine;
  }
  return Json::object({{"mean", sum / double(latent.size())}, {"layers", layers}});
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, const DataSource& data, RunFolder* run, Progress* progress,
                 std::unique_ptr<Net> initial)
    : recipe_(recipe), data_(data), run_(run), progress_(progress), net_(std::move(initial)) {
  prepare();
  state_.data_fingerprint = fingerprint(data.train);
}

Trainer::Trainer(const Recipe& recipe, const DataSource& data, RunFolder* run, Progress* progress,
                 NetCheckpoint checkpoint)
    : recipe_(recipe), data_(data), run_(run), progress_(progress) {
  if (!checkpoint.state)
    throw UsageError(checkpoint.path + ": holds weights only, no training state; start a new run from it with --init " +
                     checkpoint.path);
  if (checkpoint.state->data_fingerprint != fingerprint(data.train))
    throw UsageError("the training images are not those that the run began with");
  net_ = std::move(checkpoint.net);
  prepare();
  restore_optimizer(checkpoint, net_->parameters, &training_->optimizer());
  restore_hooks(checkpoint, net_->parameters, training_->hook_state());
  state_ = *checkpoint.state;
  if (state_.step > total_steps_)
    throw FileError(checkpoint.path,
                    "says step " + std::to_string(state_.step) + " of " + std::to_string(total_steps_));
  // The epoch that a step belongs to: at its end it is still the old one until it has been evaluated.
  loader_->seek(state_.step / steps_per_epoch(), state_.step % steps_per_epoch());
}

void Trainer::prepare() {
  info_ = {net_->spec(), recipe_.data.mean, recipe_.data.stddev, data_.train.class_names, dump(recipe_)};
  loader_ = std::make_unique<Loader>(data_.train, training_batches(recipe_, data_.train), loader_threads(data_.train));
  training_ = std::make_unique<RecipeTraining>(recipe_, net_.get(), List<Segment>(), steps_per_epoch());
  schedule_ = make_schedule(recipe_, steps_per_epoch());
  total_steps_ = schedule_.total_steps;
}

void Trainer::set_recompute(List<Segment> segments) { training_->step().set_recompute(std::move(segments)); }

void Trainer::begin(const Json& more) {
  Json line = Json::object({{"net", net_name(recipe_)},
                            {"weight", name_of(recipe_.quant.weight.scheme)},
                            {"activation", name_of(recipe_.quant.activation.scheme)},
                            {"parameters", net_->parameters.count()},
                            {"train_images", data_.train.count},
                            {"eval_images", data_.evaluation.count},
                            {"eval_split", data_.evaluation_name},
                            {"data_fingerprint", state_.data_fingerprint},
                            {"epochs", recipe_.train.epochs},
                            {"steps", total_steps_},
                            {"seed", recipe_.train.seed}});
  for (const auto& [key, value] : more.as_object()) line.set(key, value);
  run_->log("start", line);
  save();
}

Outcome Trainer::run(const StopRules& rules) {
  const Outcome outcome = run_steps(rules);
  if (rules.trace && rules.trace->write(true)) tell_trace(*rules.trace);
  return outcome;
}

Outcome Trainer::run_steps(const StopRules& rules) {
  started_ = last_save_ = epoch_started_ = monotonic_seconds();
  first_step_ = state_.step;
  const int64_t end = rules.max_steps ? std::min(rules.max_steps, total_steps_) : total_steps_;
  if (rules.trace) rules.trace->expect(end - state_.step);
  const auto epoch_is_due = [&] { return state_.images > 0 && state_.step % steps_per_epoch() == 0; };
  if (epoch_is_due() && !end_epoch(rules)) return Outcome::kInterrupted;  // it was interrupted in its evaluation
  if (state_.step >= steps_per_epoch()) write_curves();  // it may have died between its checkpoint and these
  while (state_.step < total_steps_) {
    if (rules.max_steps && state_.step >= rules.max_steps) {
      save();
      return Outcome::kStopped;
    }
    {
      const StepTrace::Step traced(rules.trace, state_.step + 1);
      step();
      if (epoch_is_due() && !end_epoch(rules)) return Outcome::kInterrupted;
      if (rules.interrupted && rules.interrupted()) {
        save();
        return Outcome::kInterrupted;
      }
      const double now = monotonic_seconds();
      if (recipe_.train.save_every_seconds > 0 && now - last_save_ >= recipe_.train.save_every_seconds) save();
    }
    if (rules.trace && rules.trace->write(false)) tell_trace(*rules.trace);
  }
  return Outcome::kFinished;
}

const Batch& Trainer::next_batch() {
  const WorkScope work({"wait for data"});
  return loader_->next();
}

void Trainer::tell_trace(const StepTrace& trace) {
  progress_->line("profile of " + std::to_string(trace.observed()) + (trace.observed() == 1 ? " step" : " steps") +
                  " in " + trace.file() + "; open it in chrome://tracing or ui.perfetto.dev");
}

void Trainer::step() {
  const double begin = monotonic_seconds();
  const Batch& batch = next_batch();
  const double lr = learning_rate(schedule_, state_.step);
  int64_t right = 0;
  const auto count = [&](size_t, const Outputs& outputs, double) {
    const float* scores = outputs.scores.data<float>();
    const int32_t* labels = batch.y.data<int32_t>();
    const int classes = int(outputs.scores.dim(1));
    for (int64_t i = 0; i < batch.size(); ++i) right += best_class(scores + i * classes, classes) == labels[i] ? 1 : 0;
  };
  StepReport done;
  try {
    done = training_->step()({batch.x, batch.byte_values}, batch.y, state_.step, lr, std::ref(count));
  } catch (const NotFinite& e) {  // of the parameters that have moved no file has seen any
    throw NumericError("step " + std::to_string(state_.step + 1) + ": " + e.what() +
                       "; the last checkpoint is untouched");
  }

  ++state_.step;
  state_.optimizer_steps = training_->optimizer().steps();
  state_.loss_sum += done.loss * double(batch.size());
  state_.right += right;
  state_.images += batch.size();
  const WorkScope work({"log"});
  if (recipe_.train.log_every && state_.step % recipe_.train.log_every == 0)
    run_->log("step", Json::object({{"step", state_.step},
                                    {"epoch", batch.epoch + 1},
                                    {"lr", lr},
                                    {"loss", done.loss},
                                    {"epoch_loss", state_.loss_sum / double(state_.images)},
                                    {"epoch_top1", double(state_.right) / double(state_.images)},
                                    {"grad_norm", done.gradient_norm}}));
  const double seconds = monotonic_seconds() - begin;
  step_seconds_ = step_seconds_ == 0 ? seconds : 0.95 * step_seconds_ + 0.05 * seconds;
  show(false);
}

bool Trainer::end_epoch(const StopRules& rules) {
  const int64_t epoch = state_.step / steps_per_epoch();
  const bool last = state_.step == total_steps_;
  const double train_loss = state_.loss_sum / double(state_.images);
  const double train_top1 = double(state_.right) / double(state_.images);
  Json line = Json::object({{"epoch", epoch},
                            {"step", state_.step},
                            {"lr", learning_rate(schedule_, state_.step - 1)},
                            {"train", Json::object({{"loss", train_loss}, {"top1", train_top1}})}});
  std::string shown = "epoch " + std::to_string(epoch) + "/" + std::to_string(recipe_.train.epochs) + "  train loss " +
                      fixed(train_loss, 4) + "  accuracy " + fixed(100 * train_top1, 2) + " %";
  const double trained = monotonic_seconds();
  bool best = false;
  if (last || epoch % recipe_.train.eval_every == 0) {
    if (!evaluate_epoch(rules)) {  // the state still says that the epoch's end is due
      save();
      return false;
    }
    const Metrics& m = *last_metrics_;
    best = m.top1() > state_.best_top1;
    if (best) state_.best_top1 = m.top1(), state_.best_step = state_.step;
    line.set("eval", Json::object({{"split", data_.evaluation_name},
                                   {"loss", m.loss()},
                                   {"top1", m.top1()},
                                   {"top5", m.top5()},
                                   {"images", m.images()}}));
    shown += "  " + data_.evaluation_name + " loss " + fixed(m.loss(), 4) + "  top-1 " + fixed(100 * m.top1(), 2) +
             " %  top-5 " + fixed(100 * m.top5(), 2) + " %";
  }
  if (const Json cosines = latent_cosines(*net_); !cosines.is_null()) line.set("cosine", cosines);
  run_->log("epoch", line);
  if (last)
    run_->log("end",
              Json::object({{"step", state_.step}, {"best_top1", state_.best_top1}, {"best_step", state_.best_step}}));
  state_.loss_sum = 0;
  state_.right = state_.images = 0;
  if (best) save_net(run_->best_checkpoint(), net_->parameters, info_, nullptr, nullptr);
  save();
  write_curves();

  const double now = monotonic_seconds(), train_seconds = trained - epoch_started_;
  const double waited = loader_->wait_seconds() - waited_before_;
  waits_.train_seconds += train_seconds, waits_.wait_seconds += waited;
  run_->log_timing("epoch", Json::object({{"epoch", epoch},
                                          {"step", state_.step},
                                          {"train_seconds", train_seconds},
                                          {"eval_seconds", now - trained},
                                          {"wait_seconds", waited},
                                          {"wait_share", train_seconds > 0 ? waited / train_seconds : 0},
                                          {"threads", threads()}}));
  progress_->line(shown + "  " + fixed(now - epoch_started_, 1) + " s" +
                  (train_seconds > 0 && waited > 0.01 * train_seconds
                       ? " (" + fixed(100 * waited / train_seconds, 0) + " % of training waited for data)"
                       : ""));
  epoch_started_ = now;
  waited_before_ += waited;
  return true;
}

// What shows the evaluation is written before the checkpoint that closes the epoch: a run that dies in between does it
// again.
bool Trainer::evaluate_epoch(const StopRules& rules) {
  const WorkScope work({"evaluation"});
  const ObserveWork nobody(nullptr);  // its many steps are not those of a profile
  const BatchSpec batches = evaluation_batches(recipe_, data_.evaluation);
  Evaluator evaluator(net_->plan, net_->parameters);
  last_metrics_ = evaluate(evaluator, data_.evaluation, batches, [&](int64_t) {
    show(true);
    return !(rules.interrupted && rules.interrupted());
  });
  if (!last_metrics_) return false;
  atomic_write(run_->file("confusion.csv"), confusion_csv(*last_metrics_, info_.class_names));
  atomic_write(run_->file("confusion.svg"), confusion_chart(*last_metrics_, info_.class_names));
  return true;
}

void Trainer::write_curves() {
  run_->write_curves(net_name(recipe_) + ", weights " + name_of(recipe_.quant.weight.scheme) + ", activations " +
                     name_of(recipe_.quant.activation.scheme) + ", " + data_.train.name + ", seed " +
                     std::to_string(recipe_.train.seed));
}

void Trainer::save() {
  const WorkScope work({"checkpoint"});
  for (const Parameter* p : net_->parameters.all()) {
    const int64_t n = p->value.size();
    const float* v = p->value.data<float>();
    for (int64_t i = 0; i < n; ++i)
      if (!std::isfinite(v[i]))
        throw NumericError("step " + std::to_string(state_.step) + ": " + p->name + " holds " + std::to_string(v[i]) +
                           "; the checkpoint before is untouched");
  }
  run_->sync_log();
  state_.log_bytes = run_->log_bytes();
  save_net(run_->last_checkpoint(), net_->parameters, info_, &training_->optimizer(), &state_, training_->hook_state());
  last_save_ = monotonic_seconds();
}

void Trainer::show(bool evaluating) {
  ProgressState s;
  const int64_t done_now = state_.step - first_step_;
  s.title = "epoch " + std::to_string(std::max<int64_t>(1, (state_.step + steps_per_epoch() - 1) / steps_per_epoch())) +
            "/" + std::to_string(recipe_.train.epochs);
  s.done = state_.step;
  s.total = total_steps_;
  s.loss = state_.images ? state_.loss_sum / double(state_.images) : 0;
  s.accuracy = state_.images ? double(state_.right) / double(state_.images) : 0;
  s.images_per_second = step_seconds_ > 0 ? double(recipe_.train.batch) / step_seconds_ : 0;
  s.seconds_left =
      done_now > 0 ? (monotonic_seconds() - started_) / double(done_now) * double(total_steps_ - state_.step) : -1;
  s.evaluating = evaluating;
  progress_->update(s);
}

}  // namespace bantam
