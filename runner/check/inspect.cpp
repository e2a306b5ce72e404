#include "runner/check/inspect.hpp"

#include "runner/check/failure.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

Result<std::vector<AttachedHook>> attached_hooks(const std::filesystem::path& file, const std::string& id) {
  using nlohmann::json;
  const Effort effort;
  const Ended ended = run_isolated(
      [&](const Workspace& workspace) {
        try {
          Subject subject(file, id, effort, workspace);
          const plugins::Object object = subject.make_or_fail(subject.defaults());
          plugins::Dims dims;
          dims.layers = 2;
          json list = json::array();
          static constexpr const char* kinds[] = {"plan", "provide", "chain", "init"};
          for (const plugins::Attachment& attachment : subject.attach(object, dims).attachments)
            list.push_back({attachment.hook, kinds[static_cast<int>(attachment.kind)], attachment.phase});
          return list.dump();
        } catch (const std::exception& exception) {
          return json(exception.what()).dump(-1, ' ', false, json::error_handler_t::replace);
        }
      },
      5);
  if (!ended.answered) return Error{Code::abi, file.string(), ended.death};
  const json answer = json::parse(ended.answer, nullptr, false);
  if (answer.is_string()) return Error{Code::abi, file.string(), answer.get<std::string>()};
  std::vector<AttachedHook> hooks;
  for (const json& entry : answer) hooks.push_back({entry.at(0), entry.at(1), entry.at(2)});
  return hooks;
}

}  // namespace caddie::check
