// shrink.cu: twins of shrink.rs, one thread per voxel of the output; sums in the same order, so the same bits.

template <class T>
__device__ inline void blocks(float *out, const T *in, u64 shape_k, u64 shape_j, u64 shape_i, u64 rows, u64 columns,
                              u32 block_k, u32 block_j, u32 block_i, float low, float high, float share) {
    u64 at = thread_index();
    if (at >= shape_k * shape_j * shape_i) return;
    u64 row = at / shape_i, i = at - row * shape_i, k = row / shape_j, j = row - k * shape_j;
    const T *from = in + (k * block_k * rows + j * block_j) * columns + i * block_i;
    float total = 0.0f;
    for (u32 c = 0; c < block_i; c++) {
        float sum = 0.0f;
        for (u32 a = 0; a < block_k; a++) {
            for (u32 b = 0; b < block_j; b++) {
                sum += fminf(fmaxf((float)from[(a * rows + b) * columns + c], low), high);
            }
        }
        total += sum;
    }
    out[at] = total * share;
}

extern "C" __global__ void shrink_blocks_u8(float *out, const u8 *in, u64 shape_k, u64 shape_j, u64 shape_i, u64 rows,
                                            u64 columns, u32 block_k, u32 block_j, u32 block_i, float low, float high,
                                            float share) {
    blocks(out, in, shape_k, shape_j, shape_i, rows, columns, block_k, block_j, block_i, low, high, share);
}

extern "C" __global__ void shrink_blocks_i16(float *out, const i16 *in, u64 shape_k, u64 shape_j, u64 shape_i,
                                             u64 rows, u64 columns, u32 block_k, u32 block_j, u32 block_i, float low,
                                             float high, float share) {
    blocks(out, in, shape_k, shape_j, shape_i, rows, columns, block_k, block_j, block_i, low, high, share);
}

extern "C" __global__ void shrink_blocks_f32(float *out, const float *in, u64 shape_k, u64 shape_j, u64 shape_i,
                                             u64 rows, u64 columns, u32 block_k, u32 block_j, u32 block_i, float low,
                                             float high, float share) {
    blocks(out, in, shape_k, shape_j, shape_i, rows, columns, block_k, block_j, block_i, low, high, share);
}

// `first` and `start` hold, for each index of k, then j, then i of the output, the first source voxel and where
// its shares begin; one more of each ends an axis.
template <class T>
__device__ inline void areas(float *out, const T *in, const u32 *first, const u32 *start, const float *shares,
                             u64 shape_k, u64 shape_j, u64 shape_i, u64 rows, u64 columns) {
    u64 at = thread_index();
    if (at >= shape_k * shape_j * shape_i) return;
    u64 row = at / shape_i, i = at - row * shape_i, k = row / shape_j, j = row - k * shape_j;
    j += shape_k + 1, i += shape_k + shape_j + 2;
    const T *from = in + (first[k] * rows + first[j]) * columns + first[i];
    u32 end_k = start[k + 1] - start[k], end_j = start[j + 1] - start[j], end_i = start[i + 1] - start[i];
    float total = 0.0f;
    for (u32 c = 0; c < end_i; c++) {
        float sum = 0.0f;
        for (u32 a = 0; a < end_k; a++) {
            for (u32 b = 0; b < end_j; b++) {
                float share = shares[start[k] + a] * shares[start[j] + b];
                sum += (float)from[(a * rows + b) * columns + c] * share;
            }
        }
        total += shares[start[i] + c] * sum;
    }
    out[at] = total;
}

extern "C" __global__ void shrink_areas_u8(float *out, const u8 *in, const u32 *first, const u32 *start,
                                           const float *shares, u64 shape_k, u64 shape_j, u64 shape_i, u64 rows,
                                           u64 columns) {
    areas(out, in, first, start, shares, shape_k, shape_j, shape_i, rows, columns);
}

extern "C" __global__ void shrink_areas_i16(float *out, const i16 *in, const u32 *first, const u32 *start,
                                            const float *shares, u64 shape_k, u64 shape_j, u64 shape_i, u64 rows,
                                            u64 columns) {
    areas(out, in, first, start, shares, shape_k, shape_j, shape_i, rows, columns);
}

extern "C" __global__ void shrink_areas_f32(float *out, const float *in, const u32 *first, const u32 *start,
                                            const float *shares, u64 shape_k, u64 shape_j, u64 shape_i, u64 rows,
                                            u64 columns) {
    areas(out, in, first, start, shares, shape_k, shape_j, shape_i, rows, columns);
}
