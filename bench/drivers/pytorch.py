"""PyTorch driver: JSON lines on standard input and output, the same questions and answers as serve.ts.

Eager mode, float32, oneDNN convolutions; a training step is forward, cross-entropy, backward, torch.optim.SGD.
"""

import json
import sys
import time

replies = sys.stdout
sys.stdout = sys.stderr

import numpy  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402


class Refused(Exception):
    """The case cannot run; the message says why."""


def reply(value):
    replies.write(json.dumps(value) + "\n")
    replies.flush()


def blas():
    """Name of the BLAS library that this process has loaded."""
    torch.ones(8, 8) @ torch.ones(8, 8)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        text = maps.read()
    for needle, name in (("openblas", "OpenBLAS"), ("libmkl", "MKL"), ("blis", "BLIS")):
        if needle in text:
            return name
    return "reference BLAS: slow" if "libblas" in text else "bundled BLAS"


def version():
    return f"torch {torch.__version__} ({blas()})"


CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def read_case(path):
    with open(path, encoding="utf-8") as file:
        case = json.load(file)
    numbers = numpy.fromfile(case["numbers"], dtype=numpy.float32)

    def tensor(entry):
        count = int(numpy.prod(entry["shape"], dtype=numpy.int64))
        cells = numbers[entry["offset"] : entry["offset"] + count].copy()
        return torch.from_numpy(cells.reshape(entry["shape"]))

    return case, tensor


def padded(value, node, fill=0.0):
    """Symmetric padding goes to the operator, any other is made first."""
    if node["low"] == node["high"]:
        return value, node["low"]
    sides = []
    for low, high in zip(reversed(node["low"]), reversed(node["high"])):
        sides += [low, high]
    return F.pad(value, sides, value=fill), [0] * len(node["low"])


def conv(node, values):
    if "period" in node:
        raise Refused("no tiled or locally connected layer")
    value, padding = padded(values[node["inputs"][0]], node)
    bias = None if node["bias"] is None else values[node["bias"]]
    return CONV[len(padding)](value, values[node["weight"]], bias, node["stride"], padding, node["dilation"], node["groups"])


def convolution_gradients(node, gradient, value, weight, mask):
    if "period" in node:
        raise Refused("no tiled or locally connected layer")
    if node["low"] != node["high"]:
        raise Refused("asymmetric padding")
    axes = len(node["low"])
    return torch.ops.aten.convolution_backward(
        gradient, value, weight, None, node["stride"], node["low"], node["dilation"], False, [0] * axes, node["groups"], mask
    )


def input_gradient(node, values):
    return convolution_gradients(node, values[node["inputs"][0]], torch.empty(node["shape"]), values[node["weight"]], [True, False, False])[0]


def kernel_gradient(node, values):
    value, gradient = (values[name] for name in node["inputs"])
    return convolution_gradients(node, gradient, value, torch.empty(node["shape"]), [False, True, False])[1]


def max_pool(node, values):
    value, padding = padded(values[node["inputs"][0]], node, float("-inf"))
    return MAX_POOL[len(padding)](value, node["kernel"], node["stride"], padding, node["dilation"])


def batch_norm(node, values):
    return F.batch_norm(
        values[node["inputs"][0]], values[node["mean"]], values[node["variance"]], values[node["scale"]], values[node["shift"]],
        True, node["momentum"], node["epsilon"],
    )


OPERATIONS = {
    "conv": conv,
    "convInputGradient": input_gradient,
    "convKernelGradient": kernel_gradient,
    "maxPool": max_pool,
    "batchNorm": batch_norm,
    "dense": lambda node, v: F.linear(v[node["inputs"][0]], v[node["weight"]], None if node["bias"] is None else v[node["bias"]]),
    "relu": lambda node, v: torch.relu(v[node["inputs"][0]]),
    "relu6": lambda node, v: F.relu6(v[node["inputs"][0]]),
    "add": lambda node, v: v[node["inputs"][0]] + v[node["inputs"][1]],
    "flatten": lambda node, v: v[node["inputs"][0]].flatten(1),
    "globalAverage": lambda node, v: v[node["inputs"][0]].flatten(2).mean(2),
}


def evaluate(net, values):
    for node in net["nodes"]:
        values[node["output"]] = OPERATIONS[node["op"]](node, values)
    return values[net["output"]]


def load(path, threads):
    torch.set_num_threads(threads)
    case, tensor = read_case(path)
    net = case["net"]
    parameters = {entry["name"]: tensor(entry) for entry in case["parameters"]}
    inputs = {entry["name"]: tensor(entry) for entry in case["inputs"]}

    def forward():
        with torch.inference_mode():
            return evaluate(net, {**parameters, **inputs}).numpy()

    if case["kind"] == "forward":
        return case, forward

    trainable = [parameters[entry["name"]].requires_grad_() for entry in case["parameters"] if entry["trainable"]]
    optimizer = torch.optim.SGD(trainable, lr=case["rate"], momentum=case["momentum"])
    labels = torch.tensor(case["labels"], dtype=torch.int64)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(evaluate(net, {**parameters, **inputs}), labels)
        loss.backward()
        optimizer.step()
        return numpy.array([loss.item()], dtype=numpy.float32)

    return case, step


def outputs(case, call, file):
    parts = []
    for step in range(case["steps"]):
        started = time.perf_counter()
        parts.append(numpy.array(call(), dtype=numpy.float32).ravel())
        if step == 0:
            reply({"first": (time.perf_counter() - started) * 1000})
    everything = numpy.concatenate(parts)
    everything.tofile(file)
    reply({"outputs": int(everything.size)})


def run(call, least):
    calls = 0
    ms = 0.0
    started = time.perf_counter()
    while ms < least:
        call()
        calls += 1
        ms = (time.perf_counter() - started) * 1000
    reply({"calls": calls, "ms": ms})


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--first":
        started = time.perf_counter()
        _, call = load(sys.argv[2], int(sys.argv[3]))
        call()
        reply({"first": (time.perf_counter() - started) * 1000})
        return
    case, call = None, None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                case, call = load(request["case"], request["threads"])
                reply({"ready": version()})
            elif call is None:
                raise Refused("no case is loaded")
            elif request["do"] == "outputs":
                outputs(case, call, request["file"])
            else:
                run(call, request["ms"])
        except Exception as error:  # the sentence goes to the table, the rest to standard error
            call = None
            reply({"refused": str(error).split("\n", 1)[0]})


main()
