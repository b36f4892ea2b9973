// peaks.cu: finds the candidates of peaks.rs, one thread per voxel. They come in any order; the host sorts them
// and joins plateaus. `found` counts them all, and the first `room` are kept.

extern "C" __global__ void peaks_find(u64 *at_of, float *score_of, u32 *found, u32 room, const float *volume,
                                      const u8 *mask, u32 has_mask, u64 slices, u64 rows, u64 columns, u64 radius,
                                      float threshold) {
    u64 at = thread_index();
    if (at >= slices * rows * columns) return;
    float value = volume[at];
    if (!(value > threshold) || (has_mask && !mask[at])) return;
    u64 row = at / columns, i = at - row * columns, k = row / rows, j = row - k * rows;
    u64 end_k = min(k + radius + 1, slices), end_j = min(j + radius + 1, rows), end_i = min(i + radius + 1, columns);
    for (u64 c = k > radius ? k - radius : 0; c < end_k; c++) {
        for (u64 b = j > radius ? j - radius : 0; b < end_j; b++) {
            for (u64 a = i > radius ? i - radius : 0; a < end_i; a++) {
                if (volume[(c * rows + b) * columns + a] > value) return;
            }
        }
    }
    u32 slot = atomicAdd(found, 1u);
    if (slot < room) {
        at_of[slot] = at;
        score_of[slot] = value;
    }
}
