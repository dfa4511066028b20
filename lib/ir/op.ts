import type { AttributeSchema, Attributes } from './attributes.js';
import type { Value } from './graph.js';
import type { TensorType } from './tensor-type.js';

type Named<Names extends readonly string[], T> = { readonly [K in Names[number]]: T };
type MaybeNamed<Names extends readonly string[], T> = { readonly [K in Names[number]]?: T };

/** An operation's inputs by name: the required ones, and the optional ones that are there. */
export type Inputs<I extends readonly string[], Opt extends readonly string[], T> = Named<I, T> &
  MaybeNamed<Opt, T>;

/** One value a channel, or one for all of them. */
export interface Affine {
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

/** What the compiler may do with an operation, so that no pass ever asks for an operation by its name. */
export interface OpFacts {
  /** What the operation can apply to its result before it writes it. An activation comes after a residual. */
  readonly epilogue?: { readonly residual?: true; readonly activation?: true };
  /** Linear in this input, pixel by pixel, with weights that are non-negative and sum to one over the mixed rows. */
  readonly mixesRowsOf?: string;
  /** The input that holds these weights, which sum to one only where an operation computes them whose `pixelsSumToOne`. */
  readonly mixesRowsBy?: string;
  /** The channels of each output pixel are non-negative and sum to one. */
  readonly pixelsSumToOne?: true;
  /** Inputs that keep float32 when activations are computed in a smaller type: parameters and class scores. */
  readonly exactInputs?: readonly string[];
  /** The output may take over the memory of this input when the input is not needed afterwards. */
  readonly inPlaceOf?: string;
  /** Outputs that are written over the memory of an input: the device's state, as it is after the step. */
  readonly updates?: Readonly<Record<string, string>>;
  /** Inputs that may be channel slices of a wider tensor. */
  readonly readsSlices?: readonly string[];
  /** Outputs that may be written into a channel slice of a wider tensor. */
  readonly writesSlices?: true;
  /** A copy of its inputs side by side in the channels: it need not run where they can be written in place. */
  readonly concatenatesChannels?: true;
  /** y is the channels of x from the attribute `first` on: it need not run where all who read y can read a slice of x. */
  readonly slicesChannels?: true;
  /** Any number of inputs, named 0, 1, …, one behind the other: they are always written in place. */
  readonly joins?: true;
  /** A pass always replaces it before a device sees it. */
  readonly compiledAway?: true;
  /** The result is input · scale + shift, both computed from parameters alone. */
  readonly affine?: {
    readonly input: string;
    readonly parameters: readonly string[];
    coefficients(parameters: readonly Float32Array[], attributes: AttributeValues): Affine;
  };
  /** A scale and shift of the output channels can be computed into these parameters: a linear map, outputs first. */
  readonly absorbsAffine?: { readonly filter: string; readonly bias: string };
  /** A convolution of x with `filter` (O, kh, kw, C / groups), by the attributes stride, padding, dilation and groups. */
  readonly convolves?: { readonly filter: string; readonly bias: string };
  /** A bilinear resize of x to the attributes height × width by alignCorners: each channel by itself. */
  readonly resizes?: true;
  /** True where each output pixel is one affine map of the same pixel of `x`, before the epilogue. */
  mapsPixels?(inputs: TensorTypes, attributes: AttributeValues): boolean;
}

/**
 * Everything that the project knows about one operation: shape inference, cost, verification, encoding and the tests all
 * ask the spec.
 */
export interface OpSpec<
  Name extends string = string,
  I extends readonly string[] = readonly string[],
  Opt extends readonly string[] = readonly string[],
  O extends readonly string[] = readonly string[],
  S extends AttributeSchema = AttributeSchema,
> {
  readonly name: Name;
  /** One line for tables and generated headers. */
  readonly summary: string;
  readonly inputs: I;
  readonly optionalInputs: Opt;
  readonly outputs: O;
  readonly attributes: S;
  readonly facts: OpFacts;
  /** Output types from input types; throws ShapeError where they do not fit. */
  infer(inputs: Inputs<I, Opt, TensorType>, attributes: Attributes<S>): Named<O, TensorType>;
  /** Floating-point operations, a multiply-add counted as two. */
  flops(inputs: Inputs<I, Opt, TensorType>, outputs: Named<O, TensorType>, attributes: Attributes<S>): number;
  /** The backward pass: nodes that compute the gradients of the inputs. */
  readonly gradient: Gradient<I, Opt, O, S>;
}

/** For operations through which nothing is trained; the reason stands beside it. */
export const notDifferentiable = null;

export type Gradient<
  I extends readonly string[],
  Opt extends readonly string[],
  O extends readonly string[],
  S extends AttributeSchema,
> =
  | typeof notDifferentiable
  | ((context: GradientContext<I, Opt, O, S>) => InputGradients<I[number] | Opt[number]>);

/** Gradients by input; absent where there is none, as for labels, or where nobody wants it. */
export type InputGradients<Names extends string> = { readonly [K in Names]?: Value | undefined };

/** What the gradient of one node is made from. "Gradient of v" is that of the sum of all losses with respect to v. */
export interface GradientContext<
  I extends readonly string[],
  Opt extends readonly string[],
  O extends readonly string[],
  S extends AttributeSchema,
> {
  readonly inputs: Inputs<I, Opt, Value>;
  readonly outputs: Named<O, Value>;
  readonly attributes: Attributes<S>;
  /** Gradients of the outputs; absent where no loss depends on one, and for losses themselves, where it is one. */
  readonly outputGradients: MaybeNamed<O, Value>;
  /** Whether the gradient of this input leads to anything trained. What nobody wants need not be computed. */
  wants(input: I[number] | Opt[number]): boolean;
  /** Adds a node to the backward pass. */
  readonly add: AddNode;
}

/** Adds a node and gives its outputs. */
export type AddNode = <
  I extends readonly string[],
  Opt extends readonly string[],
  O extends readonly string[],
  S extends AttributeSchema,
>(
  spec: OpSpec<string, I, Opt, O, S>,
  inputs: Inputs<I, Opt, Value | undefined>,
  attributes: Attributes<S>,
) => Named<O, Value>;

export function defineOp<
  const Name extends string,
  const I extends readonly string[],
  const Opt extends readonly string[],
  const O extends readonly string[],
  const S extends AttributeSchema,
>(spec: OpSpec<Name, I, Opt, O, S>): OpSpec<Name, I, Opt, O, S> {
  return spec;
}

/** A spec whose types are forgotten: what graphs hold and passes walk. */
export interface AnyOpSpec {
  readonly name: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly optionalInputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: AttributeSchema;
  readonly facts: OpFacts;
  infer(inputs: TensorTypes, attributes: AttributeValues): TensorTypes;
  flops(inputs: TensorTypes, outputs: TensorTypes, attributes: AttributeValues): number;
  readonly gradient: ((context: AnyGradientContext) => Readonly<Record<string, Value | undefined>>) | null;
}

/** A gradient context whose types are forgotten. */
export interface AnyGradientContext {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly attributes: AttributeValues;
  readonly outputGradients: Readonly<Record<string, Value | undefined>>;
  wants(input: string): boolean;
  readonly add: AddNode;
}
export type TensorTypes = Readonly<Record<string, TensorType>>;
export type AttributeValue = number | boolean | string;
export type AttributeValues = Readonly<Record<string, AttributeValue>>;

/** Forgets a spec's types. Sound because every graph is built through the typed `add` and re-inferred by `verify`. */
export const erase = (spec: unknown): AnyOpSpec => spec as AnyOpSpec;

/** Thrown by `infer`; the builder adds the node's path and turns it into an OcrnetError. */
export class ShapeError extends Error {}

export function requireShape(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new ShapeError(message());
}
