"""What PyTorch makes of the heads of contexts.json: scores as they run, losses and gradients as they train.

Features of BATCH pictures stand in for a backbone: intermediate ones of INTERMEDIATE channels and final ones of FINAL channels,
both of SIZE, made from their names as weights are (synthetic.py). Labels of LABEL_SIZE are words from their name, of which one
value more than there are classes is ignored (255). The fixture of a head, computed in float64:

- `logits`, `auxiliaryLogits` (N, h, w, K), with the running statistics of batch normalisation;
- `losses`, in training mode: cross-entropy of the logits and, where there are any, 0.4 times that of the auxiliary ones, resized
  to the labels;
- `gradient/NAME`: of the sum of both losses, of every parameter and of features.intermediate and features.final where they
  have one, in PyTorch's layout.
"""

import numpy as np
import torch
from torch.nn import functional as F

import contexts
import synthetic

BATCH, SIZE, LABEL_SIZE = 3, (7, 5), (13, 11)
INTERMEDIATE, FINAL = 6, 10
IGNORE = 255


def labels_of(case):
    words = synthetic.hash_words(f"{case['name']} labels", BATCH * LABEL_SIZE[0] * LABEL_SIZE[1])
    labels = (words >> np.uint32(8)) % np.uint32(case["classes"] + 1)
    return np.where(labels == case["classes"], IGNORE, labels).reshape(BATCH, *LABEL_SIZE).astype(np.int64)


def features_of(name, channels):
    values = synthetic.parameter(f"features.{name}", (BATCH, channels, *SIZE))
    return torch.from_numpy(values).double().requires_grad_()


def load(case):
    align_corners = {"align_corners": case["alignCorners"]} if "alignCorners" in case else {}
    head = contexts.Head(case["context"], INTERMEDIATE, FINAL, case["classes"], **align_corners)
    state = {
        key: torch.from_numpy(synthetic.parameter(contexts.parameter_name(key), tuple(value.shape)))
        for key, value in head.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    head.load_state_dict(state, strict=False)
    return head.double()


def fixture(case):
    head = load(case)
    labels = torch.from_numpy(labels_of(case))
    features = {"intermediate": features_of("intermediate", INTERMEDIATE), "final": features_of("final", FINAL)}
    with torch.no_grad():
        scores = head.eval()(*features.values(), labels)
    with torch.enable_grad():
        trained = head.train()(*features.values(), labels)
        losses = [
            weight
            * F.cross_entropy(
                F.interpolate(trained[name], LABEL_SIZE, mode="bilinear", align_corners=case.get("alignCorners", True)),
                labels,
                ignore_index=IGNORE,
            )
            for name, weight in (("logits", 1), ("auxiliaryLogits", 0.4))
            if name in trained
        ]
        sum(losses).backward()
    gradients = {contexts.parameter_name(key): value.grad for key, value in head.named_parameters()}
    gradients |= {f"features.{name}": value.grad for name, value in features.items() if value.grad is not None}
    print(f"{case['name']}: losses {[round(loss.item(), 4) for loss in losses]}")
    return {
        **{
            name: scores[name].permute(0, 2, 3, 1).contiguous().numpy()
            for name in ("logits", "auxiliaryLogits")
            if name in scores
        },
        "losses": np.array([loss.item() for loss in losses]),
        **{f"gradient/{name}": gradient.numpy() for name, gradient in gradients.items()},
    }
