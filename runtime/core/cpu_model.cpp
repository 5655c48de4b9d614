#include "cpu_model.hpp"

#include <cstring>
#include <initializer_list>

namespace pyqemu {
namespace {

uint64_t bit(size_t feature) {
  return uint64_t{1} << feature;
}

size_t find_feature(const PackTables &tables, std::string_view name) {
  size_t at = 0;
  while (at < tables.feature.size() && name != tables.string(tables.feature[at].name)) at++;
  return at;
}

uint64_t with_implied(const PackTables &tables, uint64_t features) {
  uint64_t result = features;
  for (size_t i = 0; i < tables.feature.size(); i++)
    if (features & bit(i)) result |= tables.feature[i].implies;
  return result;
}

uint64_t without(const PackTables &tables, uint64_t features, size_t feature) {
  features &= ~bit(feature);
  for (size_t i = 0; i < tables.feature.size(); i++)
    if (tables.feature[i].implies & bit(feature)) features &= ~bit(i);
  return features;
}

// Cuts the features that `*text` lists from its start; the longest name counts.
uint64_t take_listed(const PackTables &tables, std::string_view separator, std::string_view *text) {
  uint64_t found = 0;
  while (!text->empty()) {
    if (found && !separator.empty() && text->starts_with(separator)) text->remove_prefix(separator.size());
    size_t longest = 0, feature = 0;
    for (size_t i = 0; i < tables.feature.size(); i++) {
      const std::string_view name = tables.string(tables.feature[i].name);
      if (name.size() > longest && text->starts_with(name)) longest = name.size(), feature = i;
    }
    if (!longest) return found;
    found |= bit(feature);
    text->remove_prefix(longest);
  }
  return found;
}

// Joins what is said one after the other.
std::string text_of(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (std::string_view piece : pieces) text.append(piece);
  return text;
}

// "a, b, c…"; … behind names that features follow.
std::string names_of(const PackTables &tables) {
  std::string names;
  for (const CpuRec &record : tables.cpu)
    names.append(text_of(
        {names.empty() ? "" : ", ", tables.string(record.name), record.separator == kNone ? "" : "…"}));
  return names;
}

bool find_named(const PackTables &tables, std::string_view name, CpuModel *model, std::string *error) {
  for (const CpuRec &record : tables.cpu)
    if (record.separator == kNone && (name.empty() || name == tables.string(record.name)))
      return *model = {&record, record.features}, true;
  for (const CpuRec &record : tables.cpu) {
    const std::string_view begins = tables.string(record.name);
    if (record.separator == kNone || !name.starts_with(begins)) continue;
    std::string_view rest = name.substr(begins.size());
    const uint64_t listed = take_listed(tables, tables.string(record.separator), &rest);
    if (!rest.empty()) {
      *error = text_of({name, ": `", rest, "` does not begin with a feature of ", begins, "…"});
      return false;
    }
    if (listed) return *model = {&record, record.features | listed}, true;
  }
  if (name.empty()) return true;
  *error = text_of({name, ": no such CPU model; there are ", names_of(tables)});
  return false;
}

std::string feature_names(const PackTables &tables) {
  std::string names;
  for (const FeatureRec &feature : tables.feature)
    names.append(text_of({names.empty() ? "" : ", ", tables.string(feature.name)}));
  return names;
}

bool apply_switch(const PackTables &tables, std::string_view text, uint64_t *features, std::string *error) {
  const size_t equals = text.find('=');
  std::string_view name = text.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  bool on = value == "on" || value == "true";
  if (equals == std::string_view::npos && (text.starts_with('+') || text.starts_with('-'))) {
    name.remove_prefix(1);
    on = text.starts_with('+');
  } else if (!on && value != "off" && value != "false") {
    const std::string_view shown = name.empty() ? "NAME" : name;
    *error = text_of({"`", text, "`: features are switched by ", shown, "=on or ", shown, "=off"});
    return false;
  }
  const size_t feature = find_feature(tables, name);
  if (feature == tables.feature.size()) {
    *error = text_of({"`", name, "`: no such feature; there are ", feature_names(tables)});
    return false;
  }
  *features = on ? with_implied(tables, *features | bit(feature)) : without(tables, *features, feature);
  return true;
}

void add_resets(const PackTables &tables, uint32_t first, uint32_t count, CpuHeader *cpu) {
  for (const ResetRec &reset : tables.reset.subspan(first, count)) {
    const RegRec &reg = tables.reg[reset.reg];
    const size_t bytes = reg.width > 64 ? 8 : (reg.width + 7u) / 8;
    char *place = reinterpret_cast<char *>(cpu) + reg.offset + reset.index * reg.stride;
    uint64_t value = 0;
    memcpy(&value, place, bytes);
    value += reset.value;
    memcpy(place, &value, bytes);
  }
}

}  // namespace

bool find_cpu_model(const PackTables &tables, std::string_view text, CpuModel *model, std::string *error) {
  size_t comma = text.find(',');
  if (!find_named(tables, text.substr(0, comma), model, error)) return false;
  uint64_t features = with_implied(tables, model->features);
  while (comma != std::string_view::npos) {
    text.remove_prefix(comma + 1);
    comma = text.find(',');
    if (!apply_switch(tables, text.substr(0, comma), &features, error)) return false;
  }
  model->features = features;
  return true;
}

void reset_registers(const PackTables &tables, const CpuModel &model, CpuHeader *cpu) {
  if (model.record) add_resets(tables, model.record->first_reset, model.record->reset_count, cpu);
  for (size_t i = 0; i < tables.feature.size(); i++)
    if (model.features & bit(i))
      add_resets(tables, tables.feature[i].first_reset, tables.feature[i].reset_count, cpu);
}

}  // namespace pyqemu
