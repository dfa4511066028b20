/** The kinds of field that an operation's attributes may have; each maps to one C++ type in schema.gen.h. */
export type Field =
  | { readonly kind: 'int' }
  | { readonly kind: 'size' }
  | { readonly kind: 'float' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'enum'; readonly name: string; readonly of: readonly string[] };

export type AttributeSchema = Readonly<Record<string, Field>>;

type FieldValue<F extends Field> = F extends { kind: 'enum'; of: readonly (infer S)[] }
  ? S
  : F extends { kind: 'bool' }
    ? boolean
    : number;

export type Attributes<S extends AttributeSchema> = { readonly [K in keyof S]: FieldValue<S[K]> };

/** A signed integer, at most 2²⁴ from zero. */
export const int = { kind: 'int' } as const;
/** A place or a count in a flat vector: from 0 to 2³¹ − 1. */
export const size = { kind: 'size' } as const;
/** A float32. */
export const float = { kind: 'float' } as const;
export const bool = { kind: 'bool' } as const;
/** One of a list of words; `name` is the C++ enum's name. */
export const oneOf = <const Name extends string, const T extends readonly string[]>(name: Name, of: T) =>
  ({ kind: 'enum', name, of }) as const;
