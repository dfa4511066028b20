#include "plan/decode.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/utf8.h"

namespace ocrnet {

namespace {

constexpr std::uint32_t kMagic = 0x5052434f;  // "OCRP"
constexpr std::size_t kTensorWords = 11;
constexpr std::size_t kBindingWords = 3;
constexpr std::size_t kStateWords = 4;
constexpr std::size_t kLeastStepWords = 8;
/// Far beyond any stride or size of a picture, and small enough that index arithmetic on it cannot overflow.
constexpr std::int32_t kMaxIntAttribute = 1 << 24;

[[noreturn]] void fail(const std::string& message) { throw Error("INVALID_PLAN", message); }

[[noreturn]] void fail(const std::string& what, const std::string& expected, const std::string& received) {
  fail(what + ": expected " + expected + ", received " + received);
}

std::string hex(std::uint32_t word) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[word >> shift & 15];
  return text;
}

/// Little-endian words from the front, never beyond the end.
class WordReader {
 public:
  explicit WordReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint32_t word() {
    if (bytes_.size() < 4)
      fail("The plan ends too early", "a word", std::to_string(bytes_.size()) + " bytes");
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes_[i]) << 8 * i;
    bytes_ = bytes_.subspan(4);
    return value;
  }

  std::uint64_t longWord() {
    const std::uint64_t low = word();
    return low | std::uint64_t{word()} << 32;
  }

  /// One of an enum's or a bool's values.
  std::uint32_t choice(std::uint32_t values, const char* what) {
    const std::uint32_t value = word();
    if (value >= values) fail(what, "less than " + std::to_string(values), std::to_string(value));
    return value;
  }

  void requireWords(std::uint64_t count, std::size_t wordsEach, const char* what) const {
    if (count > bytes_.size() / (4 * wordsEach)) {
      fail(std::string("The plan is too short for its ") + what, std::to_string(count) + " of them",
           std::to_string(bytes_.size()) + " bytes");
    }
  }

  std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// Names and paths: text ranges are read before the text, which comes last.
struct TextRange {
  std::uint32_t start, length;
};

std::string textOf(TextRange range, std::span<const std::byte> text) {
  if (range.start > text.size() || range.length > text.size() - range.start) {
    fail("A name lies outside the plan's text", "to end within " + std::to_string(text.size()) + " bytes",
         std::to_string(range.start) + " + " + std::to_string(range.length));
  }
  std::string value(reinterpret_cast<const char*>(text.data()) + range.start, range.length);
  if (!isUtf8(value)) fail("A name in the plan is not UTF-8");
  return value;
}

TextRange readTextRange(WordReader& reader) {
  const std::uint32_t start = reader.word();
  return {start, reader.word()};
}

void checkHeader(WordReader& reader) {
  if (const std::uint32_t magic = reader.word(); magic != kMagic) {
    fail("These bytes are no plan", hex(kMagic), hex(magic));
  }
  if (const std::uint32_t version = reader.word(); version != kPlanFormatVersion) {
    fail("The plan's format version does not fit the native addon", std::to_string(kPlanFormatVersion),
         std::to_string(version));
  }
  if (const std::uint32_t fingerprint = reader.word(); fingerprint != kSchemaFingerprint) {
    fail("The plan was made for other operations than the native addon has: build both from one version",
         hex(kSchemaFingerprint), hex(fingerprint));
  }
}

TensorInfo readTensor(WordReader& reader) {
  TensorInfo tensor{};
  tensor.dataType = static_cast<DataType>(reader.choice(kDataTypes, "A tensor's element type"));
  tensor.rank = reader.word();
  if (tensor.rank < 1 || tensor.rank > 4) fail("A tensor's rank", "1 to 4", std::to_string(tensor.rank));
  for (std::uint32_t i = 0; i < 4; ++i) {
    tensor.shape[i] = reader.word();
    if (i >= tensor.rank && tensor.shape[i] != 1) {
      fail("A tensor's size beyond its rank", "1", std::to_string(tensor.shape[i]));
    }
  }
  tensor.storage = static_cast<Storage>(reader.choice(kStorages, "A tensor's storage"));
  tensor.index = reader.word();
  tensor.offset = reader.longWord();
  tensor.pixelStride = reader.word();
  return tensor;
}

Attributes readAttributes(WordReader& reader, Opcode opcode, const OpSchema& schema) {
  std::vector<std::uint32_t> words;
  for (const FieldSchema& field : schema.attributes) {
    const std::string what = std::string(schema.name) + "'s attribute " + std::string(field.name);
    if (field.values > 0) {
      words.push_back(reader.choice(static_cast<std::uint32_t>(field.values), what.c_str()));
      continue;
    }
    words.push_back(reader.word());
    if (field.values == -1 && !std::isfinite(std::bit_cast<float>(words.back()))) {
      fail(what, "a finite number", std::to_string(std::bit_cast<float>(words.back())));
    }
    const auto value = static_cast<std::int32_t>(words.back());
    if (field.values == -2 && value < 0) fail(what, "at most 2147483647", std::to_string(words.back()));
    if (field.values == 0 && (value < -kMaxIntAttribute || value > kMaxIntAttribute)) {
      fail(what, "at most " + std::to_string(kMaxIntAttribute), std::to_string(value));
    }
  }
  return decodeAttributes(opcode, words);
}

Step readStep(WordReader& reader, TextRange& path) {
  Step step{};
  const auto opcodes = static_cast<std::uint32_t>(opSchemas().size());
  step.opcode = static_cast<Opcode>(reader.choice(opcodes, "A step's opcode"));
  const OpSchema& schema = opSchemas()[static_cast<std::size_t>(step.opcode)];
  path = readTextRange(reader);
  step.algorithm = reader.word();
  step.scratchOffset = reader.longWord();
  step.scratchBytes = reader.longWord();
  for (std::size_t i = 0; i < schema.inputs.size(); ++i) step.inputs.push_back(reader.word());
  for (std::size_t i = 0; i < schema.outputs.size(); ++i) step.outputs.push_back(reader.word());
  step.attributes = readAttributes(reader, step.opcode, schema);
  return step;
}

}  // namespace

Plan decodePlan(std::span<const std::byte> bytes) {
  WordReader reader(bytes);
  checkHeader(reader);
  Plan plan{};
  plan.arenaBytes = reader.longWord();
  const std::uint32_t tensorCount = reader.word();
  const std::uint32_t bindingCounts[] = {reader.word(), reader.word(), reader.word()};
  const std::uint32_t stateCount = reader.word();
  const std::uint32_t stepCount = reader.word();
  const std::uint32_t textBytes = reader.word();

  reader.requireWords(tensorCount, kTensorWords, "tensors");
  for (std::uint32_t i = 0; i < tensorCount; ++i) plan.tensors.push_back(readTensor(reader));

  std::vector<TextRange> ranges;
  std::vector<Binding>* const bindings[] = {&plan.parameters, &plan.inputs, &plan.outputs};
  for (int kind = 0; kind < 3; ++kind) {
    reader.requireWords(bindingCounts[kind], kBindingWords, "parameters, inputs and outputs");
    for (std::uint32_t i = 0; i < bindingCounts[kind]; ++i) {
      ranges.push_back(readTextRange(reader));
      bindings[kind]->push_back({{}, reader.word()});
    }
  }

  reader.requireWords(stateCount, kStateWords, "states");
  for (std::uint32_t i = 0; i < stateCount; ++i) {
    ranges.push_back(readTextRange(reader));
    plan.states.push_back({{}, reader.longWord()});
  }

  reader.requireWords(stepCount, kLeastStepWords, "steps");
  for (std::uint32_t i = 0; i < stepCount; ++i) {
    TextRange path;
    plan.steps.push_back(readStep(reader, path));
    ranges.push_back(path);
  }

  const std::span<const std::byte> text = reader.rest();
  if (text.size() != textBytes) {
    fail("The plan's text", std::to_string(textBytes) + " bytes", std::to_string(text.size()));
  }
  auto range = ranges.begin();
  for (std::vector<Binding>* list : bindings) {
    for (Binding& binding : *list) binding.name = textOf(*range++, text);
  }
  for (StateBlock& state : plan.states) state.name = textOf(*range++, text);
  for (Step& step : plan.steps) step.path = textOf(*range++, text);
  return plan;
}

}  // namespace ocrnet
