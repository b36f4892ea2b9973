#!/bin/sh
# Foci's kernels beside cv2, torch, SimpleITK, cc3d, numpy, scipy and MONAI, in turn, on the same voxels, two
# threads each: prints a table for docs/BENCHMARKS.md, and how far the results differ.
#
#   kernels/peers/run.sh [--gpu] [CASE...]
#
# Without CASE all of kernels/benches/rivals.rs; with --gpu those of kernels/benches/gpu.rs beside torch, CuPy and MONAI on
# an NVIDIA GPU. ROUNDS (default 7) is how often each side runs. RIVALS is the folder
# of the Python environment (default ~/.cache/foci-rivals; 6 GB, since torch brings CUDA's libraries), WORK that of
# the voxels and results (default target/rivals; 2 GB).
set -eu
cd "$(dirname "$0")/../.."
rivals=${RIVALS:-$HOME/.cache/foci-rivals}
work=${WORK:-target/rivals}
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 MKL_NUM_THREADS=2 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=2
export RAYON_NUM_THREADS=2

wanted=$(sha256sum kernels/peers/requirements.txt | cut -c1-64)
if [ "$(cat "$rivals/installed" 2>/dev/null)" != "$wanted" ]; then
    [ -x "$rivals/bin/pip" ] || python3 -m venv "$rivals"
    "$rivals/bin/pip" install --quiet --disable-pip-version-check --requirement kernels/peers/requirements.txt
    echo "$wanted" > "$rivals/installed"
fi
mkdir -p "$work"
cargo bench --quiet -p kernels --bench rivals --no-run
exec "$rivals/bin/python" kernels/peers/compare.py "$work" --rounds "${ROUNDS:-7}" "$@"
