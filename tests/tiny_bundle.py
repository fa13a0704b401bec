"""A face landmarker of MediaPipe's real format, of a few hundred kB: its networks see brightness, and nothing else.

In every picture that is not black it finds one face, upright in the middle, with points of the test's choice.
"""

import zipfile

import flatbuffers
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
from mediapipe.tasks.metadata import schema_py_generated as schema

from avsync.face.mesh import POINTS

ANCHORS = 896  # of BlazeFace for near faces: 16×16 cells with 2, then 8×8 with 6
ANCHOR = (8 * 16 + 8) * 2  # its cell is just right of and below the middle
SIDE = 128  # of the picture that BlazeFace sees; its numbers are in these pixels
FOUND = 0.6  # side of the box that it finds, in sides of the picture
SEEN = 1.5 * FOUND  # MediaPipe shows the mesh network a square this much larger


def write(path, points):
    """Write the bundle, whose network of the mesh always answers with these points.

    Args:
        points: float [68, 2], x and y in shares of the picture's side.
    """
    mesh = np.full((478, 3), 128.0)
    mesh[list(POINTS), :2] = ((points - 0.5) / SEEN + 0.5) * 256
    mesh[list(POINTS), 2] = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("face_detector.tflite", detector())
        archive.writestr("face_landmarks_detector.tflite", network(256, [(mesh, (1, 1, 1, 1434)), LIGHT]))
    return path


def detector():
    """The network that finds the face: only the anchor in the middle answers, with a box and six points of the face."""
    boxes, seen = np.zeros((ANCHORS, 16)), np.full(ANCHORS, -20.0)
    middle = (0.5 - 8.5 / 16) * SIDE
    sizes = [FOUND * SIDE] * 2
    eyes_nose_mouth_ears = [(-9, -10), (9, -10), (0, 0), (0, 10), (-20, -5), (20, -5)]
    boxes[ANCHOR] = [middle, middle, *sizes, *(middle + shift for point in eyes_nose_mouth_ears for shift in point)]
    seen[ANCHOR] = 9.0
    slope = np.zeros(ANCHORS)
    slope[ANCHOR] = 10.0
    return network(SIDE, [(boxes, (1, ANCHORS, 16)), (seen, (1, ANCHORS, 1), slope)])


# How sure the network of the mesh is that it sees a face: of black not at all.
LIGHT = (np.full(1, 9.0), (1, 1, 1, 1), np.full(1, 10.0))


class Network:
    """A TensorFlow Lite model that is being written."""

    def __init__(self):
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.subgraphs = 3, [self.graph]
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape, values=None):
        """Add a tensor, constant if it has values, and return its number."""
        tensor = schema.TensorT()
        tensor.shape, tensor.name = np.array(shape, np.int32), f"tensor{len(self.graph.tensors)}"
        tensor.type = schema.TensorType.FLOAT32
        if values is not None:
            whole = values.dtype == np.int32
            tensor.type = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(values).view(np.uint8).ravel()
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        else:
            tensor.buffer = 0
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def apply(self, code, options, inputs, shape):
        """Add an operation, and return the number of what it computes."""
        operation, kind = schema.OperatorT(), schema.OperatorCodeT()
        kind.builtinCode, kind.version = code, 1
        kind.deprecatedBuiltinCode = code
        self.model.operatorCodes.append(kind)
        output = self.tensor(shape)
        operation.opcodeIndex = len(self.model.operatorCodes) - 1
        operation.inputs, operation.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operation.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operation.builtinOptions = options
        self.graph.operators.append(operation)
        return output

    def content(self, inputs, outputs):
        """The bytes of the file."""
        self.graph.inputs, self.graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        notes, described = schema.MetadataT(), schema.BufferT()
        described.data = np.frombuffer(packed(brightness(), b"M001"), np.uint8)
        self.model.buffers.append(described)
        notes.name, notes.buffer = "TFLITE_METADATA", len(self.model.buffers) - 1
        self.model.metadata = [notes]
        return packed(self.model, b"TFL3")


def packed(thing, identifier):
    """The bytes of an object of a flatbuffer."""
    builder = flatbuffers.Builder(0)
    builder.Finish(thing.Pack(builder), file_identifier=identifier)
    return bytes(builder.Output())


def brightness():
    """What MediaPipe must know of a network: it sees pictures from -1, black, to 1, white."""
    scale, step, tensor = metadata.NormalizationOptionsT(), metadata.ProcessUnitT(), metadata.TensorMetadataT()
    scale.mean, scale.std = [127.5], [127.5]
    step.optionsType, step.options = metadata.ProcessUnitOptions.NormalizationOptions, scale
    tensor.processUnits = [step]
    graph, model = metadata.SubGraphMetadataT(), metadata.ModelMetadataT()
    graph.inputTensorMetadata, model.subgraphMetadata = [tensor], [graph]
    return model


def network(side, answers):
    """A model that reads a picture [1, side, side, 3]; answers are values, shapes, and slopes by mean brightness."""
    net = Network()
    picture = net.tensor((1, side, side, 3))
    axes = net.tensor((3,), np.array([1, 2, 3], np.int32))
    mean = schema.ReducerOptionsT()
    mean.keepDims = False
    light = net.apply(schema.BuiltinOperator.MEAN, mean, [picture, axes], (1,))
    light = reshaped(net, light, (1, 1))
    outputs = []
    for values, shape, *slope in answers:
        bias = np.asarray(values, np.float32).ravel()
        weights = np.asarray(slope[0] if slope else np.zeros(len(bias)), np.float32)[:, None]
        inputs = [light, net.tensor(weights.shape, weights), net.tensor(bias.shape, bias)]
        flat = net.apply(
            schema.BuiltinOperator.FULLY_CONNECTED, schema.FullyConnectedOptionsT(), inputs, (1, len(bias))
        )
        outputs.append(reshaped(net, flat, shape))
    return net.content([picture], outputs)


def reshaped(net, tensor, shape):
    """The number of a tensor with another shape."""
    options = schema.ReshapeOptionsT()
    options.newShape = np.array(shape, np.int32)
    return net.apply(
        schema.BuiltinOperator.RESHAPE, options, [tensor, net.tensor((len(shape),), np.array(shape, np.int32))], shape
    )
