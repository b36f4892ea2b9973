// scan.cu: sums of all numbers before each.

// For each number of `in` the sum of those before it in its block of 1024, and the sum of each block; 256
// threads.
extern "C" __global__ void scan_blocks(u32 *out, u32 *totals, const u32 *in, u64 count) {
    __shared__ u32 sums[2][256];
    u64 first = blockIdx.x * (u64)1024 + threadIdx.x * 4;
    u32 four[4], own = 0;
    for (u32 n = 0; n < 4; n++) {
        four[n] = own;
        if (first + n < count) own += in[first + n];
    }
    u32 now = 0;
    sums[now][threadIdx.x] = own;
    __syncthreads();
    for (u32 step = 1; step < 256; step *= 2) {
        u32 sum = sums[now][threadIdx.x];
        if (threadIdx.x >= step) sum += sums[now][threadIdx.x - step];
        now ^= 1;
        sums[now][threadIdx.x] = sum;
        __syncthreads();
    }
    u32 before = sums[now][threadIdx.x] - own;
    for (u32 n = 0; n < 4; n++) {
        if (first + n < count) out[first + n] = before + four[n];
    }
    if (threadIdx.x == 255) totals[blockIdx.x] = before + own;
}

// Adds to each block of 1024 numbers its offset.
extern "C" __global__ void scan_offset(u32 *out, const u32 *offsets, u64 count) {
    u64 at = thread_index();
    if (at < count) out[at] += offsets[at / 1024];
}
