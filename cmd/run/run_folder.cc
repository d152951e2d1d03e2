#include "cmd/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>

#include "cmd/errors.h"
#include "cmd/report/svg.h"
#include "cmd/report/text.h"

namespace bantam {
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxLogBytes = uint64_t(1) << 30;

std::string log_line(const std::string& event, const Json& fields) {
  Json line = Json::object({{"schema", kLogSchema}, {"event", event}});
  for (const auto& [key, value] : fields.as_object()) line.set(key, value);
  return line.dump();
}

}  // namespace

// The lock is the folder itself: it leaves no file behind, and a killed process lets go of it.
RunFolder::RunFolder(const std::string& path) : path_(path) {
  lock_fd_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_fd_ < 0) throw IoError(path, "open", "open", errno);
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_fd_);
    throw UsageError(path + ": another process is working in this run folder");
  }
}

RunFolder::~RunFolder() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::unique_ptr<RunFolder> RunFolder::create(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    throw UsageError(path + ": exists and is not a folder");
  fs::create_directories(path, error);
  if (error) throw IoError(path, "make the folder", "mkdir", error.value());
  std::unique_ptr<RunFolder> run(new RunFolder(path));
  if (fs::exists(run->recipe_file(), error))
    throw UsageError(path + ": holds a run already; go on with --resume " + path + ", or choose another --out");
  // A process that died before commit() may have left some of these.
  for (const char* name : {"log.jsonl", "timing.jsonl", "last.safetensors", "best.safetensors"})
    fs::remove(run->file(name), error);
  run->open_log(0);
  return run;
}

void RunFolder::commit(const std::string& recipe_toml) { atomic_write(recipe_file(), recipe_toml); }

std::unique_ptr<RunFolder> RunFolder::open(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) throw UsageError(path + ": no such run folder");
  if (!fs::exists(path + "/recipe.toml", error)) throw UsageError(path + ": holds no run (recipe.toml is missing)");
  return std::unique_ptr<RunFolder>(new RunFolder(path));
}

void RunFolder::open_log(uint64_t keep_bytes) {
  log_ = std::make_unique<AppendLog>(file("log.jsonl"), keep_bytes);
  timing_ = std::make_unique<AppendLog>(file("timing.jsonl"));
}

void RunFolder::log(const std::string& event, const Json& fields) { log_->write(log_line(event, fields)); }

void RunFolder::sync_log() { log_->sync(); }

void RunFolder::log_timing(const std::string& event, const Json& fields) { timing_->write(log_line(event, fields)); }

void RunFolder::write_curves(const std::string& title) const {
  const std::vector<EpochRecord> epochs = read_epochs(file("log.jsonl"));
  atomic_write(file("curves.csv"), curves_csv(epochs));
  atomic_write(file("curves.svg"), curves_svg(epochs, title));
}

std::vector<EpochRecord> read_epochs(const std::string& log_path) {
  const std::string text = read_text(log_path, kMaxLogBytes);
  std::vector<EpochRecord> epochs;
  size_t begin = 0;
  // A NaN is written as null.
  const auto number = [](const Json& v) { return v.is_null() ? std::nan("") : v.as_double(); };
  for (int64_t line = 1; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    try {
      const Json j = Json::parse(std::string_view(text).substr(begin, end - begin));
      if (j.at("event").as_string() == "epoch") {
        EpochRecord e;
        e.epoch = j.at("epoch").as_int();
        e.step = j.at("step").as_int();
        e.lr = number(j.at("lr"));
        e.train_loss = number(j.at("train").at("loss"));
        e.train_top1 = number(j.at("train").at("top1"));
        if (const Json* eval = j.find("eval")) {
          e.evaluated = true;
          e.split = eval->at("split").as_string();
          e.loss = number(eval->at("loss"));
          e.top1 = number(eval->at("top1"));
          e.top5 = number(eval->at("top5"));
        }
        if (const Json* cosine = j.find("cosine")) {
          e.cosine = number(cosine->at("mean"));
          for (const auto& [layer, value] : cosine->at("layers").as_object()) {
            e.least_cosine = std::fmin(e.least_cosine, number(value));
            e.most_cosine = std::fmax(e.most_cosine, number(value));
          }
        }
        epochs.push_back(e);
      }
    } catch (const JsonError& error) {
      throw FileError(log_path, "line " + std::to_string(line) + ": " + error.what());
    }
    begin = end + 1;
  }
  return epochs;
}

bool log_has_end(const std::string& log_path) {
  std::string text = read_text(log_path, kMaxLogBytes);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const size_t line = text.rfind('\n');
  if (text.empty()) return false;
  try {
    return Json::parse(std::string_view(text).substr(line == std::string::npos ? 0 : line + 1))
               .at("event")
               .as_string() == "end";
  } catch (const JsonError& error) {
    throw FileError(log_path, std::string("last line: ") + error.what());
  }
}

std::string curves_csv(const std::vector<EpochRecord>& epochs) {
  std::string out = "epoch,step,lr,train_loss,train_top1,eval_split,eval_loss,eval_top1,eval_top5,cosine\n";
  for (const EpochRecord& e : epochs) {
    out += std::to_string(e.epoch) + "," + std::to_string(e.step) + "," + shortest(e.lr) + "," +
           shortest(e.train_loss) + "," + shortest(e.train_top1);
    out +=
        e.evaluated ? "," + e.split + "," + shortest(e.loss) + "," + shortest(e.top1) + "," + shortest(e.top5) : ",,,,";
    out += "," + (std::isnan(e.cosine) ? "" : shortest(e.cosine)) + "\n";
  }
  return out;
}

std::string curves_svg(const std::vector<EpochRecord>& epochs, const std::string& title) {
  std::string split = "test";
  for (const EpochRecord& e : epochs)
    if (e.evaluated) split = e.split;
  Series train_loss{"train", {}}, eval_loss{split, {}}, train_top1{"train", {}}, eval_top1{split, {}},
      eval_top5{split + " top-5", {}}, cosine{"mean of layers", {}}, least_cosine{"least layer", {}},
      most_cosine{"largest layer", {}};
  for (const EpochRecord& e : epochs) {
    const double x = double(e.epoch);
    train_loss.points.emplace_back(x, e.train_loss);
    train_top1.points.emplace_back(x, 100 * e.train_top1);
    if (!std::isnan(e.cosine)) {
      cosine.points.emplace_back(x, e.cosine);
      least_cosine.points.emplace_back(x, e.least_cosine);
      most_cosine.points.emplace_back(x, e.most_cosine);
    }
    if (!e.evaluated) continue;
    eval_loss.points.emplace_back(x, e.loss);
    eval_top1.points.emplace_back(x, 100 * e.top1);
    eval_top5.points.emplace_back(x, 100 * e.top5);
  }
  std::vector<Panel> panels = {{"Loss", "epoch", "cross-entropy", {train_loss, eval_loss}},
                               {"Accuracy", "epoch", "%", {train_top1, eval_top1, eval_top5}}};
  if (!cosine.points.empty())
    panels.push_back({"Real and quantized weights", "epoch", "cosine", {cosine, least_cosine, most_cosine}});
  return line_chart(title, panels);
}

}  // namespace bantam
