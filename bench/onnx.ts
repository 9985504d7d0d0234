import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { Net, Node, Window } from "./net.ts";

const operatorSet = 17n;
const irVersion = 8n;

const integers = (name: string, values: readonly number[]): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: values.map(BigInt) });
const integer = (name: string, value: number): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });

const windowAttributes = ({ kernel, stride, dilation, low, high }: Window): AttributeProto[] => [
  integers("kernel_shape", kernel),
  integers("strides", stride),
  integers("dilations", dilation),
  integers("pads", [...low, ...high]),
];

const tensor = (name: string, shape: readonly number[], values: Float32Array): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: TensorProto_DataType.FLOAT,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) as Uint8Array<ArrayBuffer>,
  });

const valueInfo = (name: string, shape: readonly number[]): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: "tensorType",
        value: create(TypeProto_TensorSchema, {
          elemType: TensorProto_DataType.FLOAT,
          shape: create(TensorShapeProtoSchema, {
            dim: shape.map((extent) => create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: BigInt(extent) } })),
          }),
        }),
      },
    }),
  });

/** The ONNX operators of one node; null where ONNX has none. */
function nodeOf(node: Node): NodeProto | null {
  const make = (opType: string, more: readonly string[] = [], attribute: AttributeProto[] = []): NodeProto =>
    create(NodeProtoSchema, { name: node.output, opType, input: [...node.inputs, ...more], output: [node.output], attribute });
  switch (node.op) {
    case "conv":
      if (node.period !== undefined) return null;
      return make("Conv", node.bias === null ? [node.weight] : [node.weight, node.bias], [
        ...windowAttributes(node),
        integer("group", node.groups),
      ]);
    case "convInputGradient":
      if (node.period !== undefined) return null;
      return make("ConvTranspose", [node.weight], transposedAttributes(node, node.extents, node.groups));
    case "dense":
      return make("Gemm", node.bias === null ? [node.weight] : [node.weight, node.bias], [integer("transB", 1)]);
    case "maxPool":
      return make("MaxPool", [], windowAttributes(node));
    case "relu":
      return make("Relu");
    case "relu6":
      return make("Clip", ["zero", "six"]);
    case "add":
      return make("Add");
    case "flatten":
      return make("Flatten", [], [integer("axis", 1)]);
    case "globalAverage":
      return make("GlobalAveragePool");
    case "batchNorm":
    case "convKernelGradient":
      return null;
  }
}

/** ConvTranspose gives (m - 1) s - low - high + (k - 1) d + 1 + output padding cells. */
function transposedAttributes(window: Window, extents: readonly number[], groups: number): AttributeProto[] {
  const { kernel, stride, dilation, low, high } = window;
  const padding = extents.map(
    (extent, axis) => (extent + low[axis] + high[axis] - ((kernel[axis] - 1) * dilation[axis] + 1)) % stride[axis],
  );
  return [...windowAttributes(window), integers("output_padding", padding), integer("group", groups)];
}

/**
 * Bytes of an ONNX model (operator set 17) with its weights inside; null where the net has an operation that ONNX lacks.
 * Source: onnx.proto and the operator pages of the ONNX standard.
 */
export function onnxBytes(net: Net, numbers: ReadonlyMap<string, Float32Array>): Uint8Array | null {
  const nodes: NodeProto[] = [];
  for (const node of net.nodes) {
    const made = nodeOf(node);
    if (made === null) return null;
    nodes.push(made);
    // the standard's pooling keeps axes of extent 1
    if (node.op === "globalAverage") {
      made.output = [`${node.output}.map`];
      nodes.push(
        create(NodeProtoSchema, {
          name: `${node.output}.flat`,
          opType: "Flatten",
          input: made.output,
          output: [node.output],
          attribute: [integer("axis", 1)],
        }),
      );
    }
  }
  const initializer = net.parameters.map(({ name, shape }) => tensor(name, shape, numbers.get(name) ?? new Float32Array()));
  if (net.nodes.some(({ op }) => op === "relu6"))
    initializer.push(tensor("zero", [], Float32Array.of(0)), tensor("six", [], Float32Array.of(6)));
  const last = net.nodes[net.nodes.length - 1];
  const graph = create(GraphProtoSchema, {
    name: "bench",
    node: nodes,
    initializer,
    input: net.inputs.map(({ name, shape }) => valueInfo(name, shape)),
    output: [valueInfo(net.output, last.shape)],
  });
  const model = create(ModelProtoSchema, {
    irVersion,
    producerName: "toeplitz-bench",
    graph,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: operatorSet })],
  });
  return toBinary(ModelProtoSchema, model);
}
