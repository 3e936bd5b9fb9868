#include "bin/toml_config.h"

#include <toml++/toml.h>

#include <istream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace coterie::bin {
namespace {

std::string LineOf(const toml::node& node) {
  return "line " + std::to_string(node.source().begin.line) + ": ";
}

// Empty if it is neither text, a number nor a truth.
std::string TextOf(const toml::node& value) {
  if (const auto text = value.value_exact<std::string>()) return *text;
  if (const auto number = value.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto truth = value.value_exact<bool>()) return *truth ? "true" : "false";
  if (value.is_floating_point()) {
    std::ostringstream text;
    text << value.ref<double>();
    return text.str();
  }
  return "";
}

class TomlConfig final : public CLI::Config {
 public:
  // `app` outlives it.
  explicit TomlConfig(const CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    toml::table table;
    try {
      table = toml::parse(input);
    } catch (const toml::parse_error& error) {
      throw CLI::ConfigError("line " + std::to_string(error.source().begin.line) + ": " +
                                 std::string(error.description()),
                             CLI::ExitCodes::ConfigError);
    }
    std::vector<CLI::ConfigItem> items;
    for (const auto& [name, value] : table) {
      if (app_.get_option_no_throw("--" + std::string(name.str())) == nullptr) {
        throw CLI::ConfigError(LineOf(value) + "there is no flag --" + std::string(name.str()),
                               CLI::ExitCodes::ConfigError);
      }
      CLI::ConfigItem& item = items.emplace_back();
      item.name = std::string(name.str());
      if (const toml::array* array = value.as_array()) {
        for (const toml::node& element : *array) item.inputs.push_back(Input(item.name, element));
      } else {
        item.inputs.push_back(Input(item.name, value));
      }
    }
    return items;
  }

 private:
  static std::string Input(const std::string& name, const toml::node& value) {
    std::string text = TextOf(value);
    const bool is_value = value.is_string() || !text.empty();
    if (is_value) return text;
    throw CLI::ConfigError(LineOf(value) + name + " is no text, number, true or false",
                           CLI::ExitCodes::ConfigError);
  }

  const CLI::App& app_;
};

}  // namespace

void AddConfigFlag(CLI::App& app) {
  app.set_config("--config", "", "TOML file with such flags, without their dashes");
  app.config_formatter(std::make_shared<TomlConfig>(app));
  app.allow_config_extras(CLI::config_extras_mode::error);
}

}  // namespace coterie::bin
