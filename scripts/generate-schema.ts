// `npm run generate`: writes the C++ side of the operation specs. The output is committed; a test compares it.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { planFormatVersion, schemaFingerprint } from '../lib/compile/schema.js';
import type { Field } from '../lib/ir/attributes.js';
import type { OpFacts } from '../lib/ir/op.js';
import { dataTypes } from '../lib/ir/tensor-type.js';
import { operations } from '../lib/ops/index.js';

const notice = '// Written by `npm run generate` from lib/ops. Do not edit.\n';
const header = `${notice}#pragma once\n`;
const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

export function generateEnums(): string {
  const enums = new Map<string, readonly string[]>([['DataType', dataTypes]]);
  for (const { attributes } of operations)
    for (const field of Object.values(attributes)) if (field.kind === 'enum') enums.set(field.name, field.of);
  const blocks = [...enums].map(
    ([name, words]) => `enum class ${name} : std::uint32_t { ${words.join(', ')} };`,
  );
  return `${header}\n#include <cstdint>\n\nnamespace ocrnet {\n\n${blocks.join('\n')}\n\ninline constexpr std::uint32_t kDataTypes = ${dataTypes.length};\n\n}  // namespace ocrnet\n`;
}

export function generateSchema(): string {
  const structs = operations.map(({ name, summary, attributes }) => {
    const fields = Object.entries(attributes).map(([key, field]) => `  ${cppType(field)} ${key};\n`);
    return `/// ${summary}\nstruct ${capitalised(name)}Attributes {\n${fields.join('')}};\n`;
  });
  const executable = operations.filter(({ facts }) => !facts.compiledAway);
  return `${header}
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/enums.gen.h"

namespace ocrnet {

inline constexpr std::uint32_t kPlanFormatVersion = ${planFormatVersion};
inline constexpr std::uint32_t kSchemaFingerprint = 0x${schemaFingerprint.toString(16).padStart(8, '0')};

enum class Opcode : std::uint32_t {
${operations.map(({ name }) => `  ${name},\n`).join('')}};

${structs.join('\n')}
using Attributes = std::variant<${operations.map(({ name }) => `${capitalised(name)}Attributes`).join(', ')}>;

/// Every operation that a device runs: the others are compiled away. X(name) for each.
#define OCRNET_EXECUTABLE_OPS(X) \\
${executable.map(({ name }) => `  X(${name})`).join(' \\\n')}

struct FieldSchema {
  std::string_view name;
  /// Number of values of an enum, 2 for a bool, 0 for an int, -1 for a float, -2 for a size.
  int values;
};

struct OpSchema {
  std::string_view name;
  std::vector<std::string_view> inputs;
  std::size_t requiredInputs;
  std::vector<std::string_view> outputs;
  std::vector<FieldSchema> attributes;
  /// The input whose memory the first output may take over, element for element; -1 where there is none.
  int inPlaceOf;
  /// For each output, the input of the device's state that it is written over; -1 where it has memory of its own.
  std::vector<int> updates;
  /// For each input, whether it may be a channel slice of a wider tensor.
  std::vector<bool> readsSlices;
  /// Whether outputs may be channel slices of wider tensors.
  bool writesSlices;
  /// Whether the output is the inputs side by side in the channels, where some may lie already.
  bool concatenatesChannels;
};

/// In the order of Opcode.
const std::vector<OpSchema>& opSchemas();

/// \`words\` were checked against the schema: as many as it has attributes, enums in range.
Attributes decodeAttributes(Opcode opcode, std::span<const std::uint32_t> words);

}  // namespace ocrnet
`;
}

/** What every file would have to parse, and one has to. */
export function generateSchemaTables(): string {
  const rows = operations.map(
    ({ name, inputs, optionalInputs, outputs, attributes, facts }) =>
      `    {"${name}", ${list([...inputs, ...optionalInputs].map(quote))}, ${inputs.length}, ${list(outputs.map(quote))},\n     ${list(
        Object.entries(attributes).map(([key, field]) => `{"${key}", ${fieldKind(field)}}`),
      )},\n     ${memoryFacts([...inputs, ...optionalInputs], outputs, facts)}},`,
  );
  const decoders = operations.map(({ name, attributes }) => {
    const words = Object.values(attributes).map((field, i) => decodeWord(field, i));
    return `    case Opcode::${name}:\n      return ${capitalised(name)}Attributes{${words.join(', ')}};`;
  });
  return `${notice}#include "plan/schema.gen.h"

#include <bit>

namespace ocrnet {

const std::vector<OpSchema>& opSchemas() {
  static const std::vector<OpSchema> schemas{
${rows.join('\n')}
  };
  return schemas;
}

Attributes decodeAttributes(Opcode opcode, std::span<const std::uint32_t> words) {
  switch (opcode) {
${decoders.join('\n')}
  }
  return {};
}

}  // namespace ocrnet
`;
}

const list = (items: readonly string[]) => `{${items.join(', ')}}`;
const quote = (text: string) => `"${text}"`;

function memoryFacts(
  inputs: readonly string[],
  outputs: readonly string[],
  { inPlaceOf, updates, readsSlices, writesSlices, concatenatesChannels }: OpFacts,
): string {
  const reads = inputs.map((name) => String(readsSlices?.includes(name) === true));
  const updated = outputs.map((name) => String(inputs.indexOf(updates?.[name] ?? '')));
  return `${inPlaceOf === undefined ? -1 : inputs.indexOf(inPlaceOf)}, ${list(updated)}, ${list(reads)}, ${writesSlices === true}, ${concatenatesChannels === true}`;
}

function cppType(field: Field): string {
  if (field.kind === 'enum') return field.name;
  return { int: 'std::int32_t', size: 'std::int64_t', float: 'float', bool: 'bool' }[field.kind];
}

function fieldKind(field: Field): number {
  return field.kind === 'enum' ? field.of.length : { int: 0, size: -2, float: -1, bool: 2 }[field.kind];
}

function decodeWord(field: Field, index: number): string {
  const word = `words[${index}]`;
  if (field.kind === 'float') return `std::bit_cast<float>(${word})`;
  if (field.kind === 'bool') return `${word} != 0`;
  return `static_cast<${cppType(field)}>(${word})`;
}

export const generatedFiles: Readonly<Record<string, () => string>> = {
  'native/core/enums.gen.h': generateEnums,
  'native/plan/schema.gen.h': generateSchema,
  'native/plan/schema.gen.cpp': generateSchemaTables,
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [file, generate] of Object.entries(generatedFiles)) {
    writeFileSync(new URL(`../${file}`, import.meta.url), generate());
    console.log(`wrote ${file}`);
  }
