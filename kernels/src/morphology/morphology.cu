// morphology.cu: CUDA twin of morphology/spread.rs and morphology/flood.rs. One thread per word of 64 voxels,
// or per row where a row is flooded.

struct Mask {
    const u64 *words;
    i64 slices, rows;
    i64 stride;
};

// Word `w` of row (k, j); 0 outside.
__device__ inline u64 word_at(Mask mask, i64 k, i64 j, i64 w) {
    if (k < 0 || k >= mask.slices || j < 0 || j >= mask.rows || w < 0 || w >= mask.stride) return 0;
    return mask.words[(k * mask.rows + j) * mask.stride + w];
}

template <bool GROW> __device__ inline u64 join(u64 a, u64 b) { return GROW ? a | b : a & b; }

// The voxels of a word joined with those to their left and right.
template <bool GROW> __device__ inline u64 wide_at(Mask mask, i64 k, i64 j, i64 w) {
    u64 here = word_at(mask, k, j, w);
    u64 left = here << 1 | word_at(mask, k, j, w - 1) >> 63;
    u64 right = here >> 1 | word_at(mask, k, j, w + 1) << 63;
    return join<GROW>(here, join<GROW>(left, right));
}

// Each voxel joined with its 6, 18 or 26 neighbours.
template <bool GROW> __device__ inline u64 stepped(Mask mask, i64 k, i64 j, i64 w, u32 neighbours) {
    u64 found = wide_at<GROW>(mask, k, j, w);
    for (int dk = -1; dk <= 1; dk++) {
        for (int dj = -1; dj <= 1; dj++) {
            int moved = (dk != 0) + (dj != 0);
            if (moved == 0) continue;
            // With a step to the side as well it must be a neighbour still.
            if (moved + 1 <= (neighbours == 6 ? 1 : neighbours == 18 ? 2 : 3)) {
                found = join<GROW>(found, wide_at<GROW>(mask, k + dk, j + dj, w));
            } else if (moved <= (neighbours == 6 ? 1 : neighbours == 18 ? 2 : 3)) {
                found = join<GROW>(found, word_at(mask, k + dk, j + dj, w));
            }
        }
    }
    return found;
}

extern "C" __global__ void morphology_step(u64 *out, const u64 *in, u64 slices, u64 rows, u64 stride, u64 last,
                                           u32 neighbours, u32 grow) {
    u64 at = thread_index();
    if (at >= slices * rows * stride) return;
    Mask mask = {in, (i64)slices, (i64)rows, (i64)stride};
    i64 w = at % stride, j = at / stride % rows, k = at / stride / rows;
    u64 found = grow ? stepped<true>(mask, k, j, w, neighbours) : stepped<false>(mask, k, j, w, neighbours);
    out[at] = w + 1 == (i64)stride ? found & last : found;
}

// With the voxels to the left and right.
extern "C" __global__ void morphology_widen(u64 *out, const u64 *in, u64 slices, u64 rows, u64 stride) {
    u64 at = thread_index();
    if (at >= slices * rows * stride) return;
    Mask mask = {in, (i64)slices, (i64)rows, (i64)stride};
    out[at] = wide_at<true>(mask, at / stride / rows, at / stride % rows, at % stride);
}

// Adds the voxels that those of `in` reach by `count` steps, each so many slices and rows.
extern "C" __global__ void morphology_reach(u64 *out, const u64 *in, u64 slices, u64 rows, u64 stride, u64 last,
                                            const int *steps, u32 count) {
    u64 at = thread_index();
    if (at >= slices * rows * stride) return;
    Mask mask = {in, (i64)slices, (i64)rows, (i64)stride};
    i64 w = at % stride, j = at / stride % rows, k = at / stride / rows;
    u64 found = out[at];
    for (u32 n = 0; n < count; n++) found |= word_at(mask, k + steps[2 * n], j + steps[2 * n + 1], w);
    out[at] = w + 1 == (i64)stride ? found & last : found;
}

extern "C" __global__ void morphology_invert(u64 *words, u64 count, u64 stride, u64 last) {
    u64 at = thread_index();
    if (at >= count) return;
    words[at] = at % stride + 1 == stride ? ~words[at] & last : ~words[at];
}

// Lets water run along a row from where it is: see flood.rs.
__device__ inline void flood_row(volatile u64 *open, const u64 *free, u64 stride) {
    u64 carry = 0;
    for (u64 w = 0; w < stride; w++) {
        u64 here = open[w], sum = free[w] + here;
        u64 over = sum < here;
        sum += carry;
        over |= sum < carry;
        open[w] = here | ((sum ^ free[w]) & free[w]);
        carry = over;
    }
    u64 next = 0;
    for (u64 w = stride; w-- > 0;) {
        u64 found = open[w] | (next << 63 & free[w]), path = free[w];
        for (int step = 1; step < 64; step *= 2) {
            found |= path & found >> step;
            path &= path >> step;
        }
        open[w] = found;
        next = found & 1;
    }
}

// Lets water in at the borders: of each slice, and through the whole of the first and last one unless
// `by_slice`. One thread per row.
extern "C" __global__ void morphology_flood_start(u64 *open, const u64 *free, u64 slices, u64 rows, u64 stride,
                                                  u64 last_column, u32 by_slice) {
    u64 row = thread_index();
    if (row >= slices * rows) return;
    u64 j = row % rows, k = row / rows;
    bool all = j == 0 || j + 1 == rows || (!by_slice && (k == 0 || k + 1 == slices));
    open += row * stride;
    free += row * stride;
    for (u64 w = 0; w < stride; w++) {
        u64 let = all ? ~(u64)0 : (w == 0 ? (u64)1 : 0) | (w + 1 == stride ? last_column : 0);
        open[w] = free[w] & let;
    }
    flood_row(open, free, stride);
}

// Lets water run within each slice, and in from the neighbouring ones unless `by_slice`, until it rests; says
// whether it ran anywhere. One block per slice. What blocks see of each other may be old: then it runs on in
// the next launch.
extern "C" __global__ void morphology_flood(u64 *words, const u64 *free, u32 *changed, u64 slices, u64 rows,
                                            u64 stride, u32 by_slice) {
    __shared__ u32 ran;
    volatile u64 *open = words;
    u64 k = blockIdx.x;
    for (bool again = true; again;) {
        __syncthreads();
        if (threadIdx.x == 0) ran = 0;
        __syncthreads();
        for (u64 j = threadIdx.x; j < rows; j += blockDim.x) {
            u64 row = (k * rows + j) * stride;
            u64 fresh = 0;
            for (u64 w = 0; w < stride; w++) {
                u64 at = row + w, from = 0;
                if (j > 0) from |= open[at - stride];
                if (j + 1 < rows) from |= open[at + stride];
                if (!by_slice && k > 0) from |= open[at - rows * stride];
                if (!by_slice && k + 1 < slices) from |= open[at + rows * stride];
                u64 here = open[at];
                fresh |= from & free[at] & ~here;
                open[at] = here | (from & free[at]);
            }
            if (fresh) {
                flood_row(open + row, free + row, stride);
                atomicOr(&ran, 1u);
            }
        }
        __syncthreads();
        again = ran != 0;
        if (again && threadIdx.x == 0) atomicOr(changed, 1u);
    }
}
