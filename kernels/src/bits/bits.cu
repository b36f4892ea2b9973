// bits.cu: CUDA twin of bits/mod.rs. Masks of one bit per voxel; rows begin with a word of their own, and bits
// beyond the last column are 0.

// Voxel `at` of a volume of any kind: see any.rs for their numbers.
__device__ inline double load(const void *voxels, u32 kind, u64 at) {
    switch (kind) {
        case 0: return ((const u8 *)voxels)[at];
        case 1: return ((const i16 *)voxels)[at];
        case 2: return ((const u16 *)voxels)[at];
        case 3: return ((const int *)voxels)[at];
        case 4: return ((const u32 *)voxels)[at];
        case 5: return half_value(((const u16 *)voxels)[at]);
        default: return ((const float *)voxels)[at];
    }
}

// Voxels of small kinds are compared in single precision, which holds them and is faster.
__device__ inline bool is_within(const void *voxels, u32 kind, u64 at, double low, double high, u32 above) {
    if (kind == 3 || kind == 4) {
        double value = load(voxels, kind, at);
        return (above ? value > low : value >= low) && value <= high;
    }
    float value = (float)load(voxels, kind, at);
    return (above ? value > (float)low : value >= (float)low) && value <= (float)high;
}

// The voxels from `low` (or only above it) to `high`. A block of 256 threads makes 32 words, a thread one byte
// of them.
extern "C" __global__ void bits_within(u8 *bytes, const void *voxels, u32 kind, u64 words, u32 stride,
                                       u32 columns, double low, double high, u32 above) {
    __shared__ u8 flags[2048];
    u64 first = blockIdx.x * (u64)32;
    for (u32 at = threadIdx.x; at < 2048; at += 256) {
        u64 word = first + at / 64;
        u64 row = word / stride;
        u32 column = (u32)(word - row * stride) * 64 + at % 64;
        bool is_voxel = word < words && column < columns;
        flags[at] = is_voxel && is_within(voxels, kind, row * columns + column, low, high, above);
    }
    __syncthreads();
    if (first + threadIdx.x / 8 < words) {
        u32 byte = 0;
        for (u32 bit = 0; bit < 8; bit++) byte |= (u32)flags[threadIdx.x * 8 + bit] << bit;
        bytes[first * 8 + threadIdx.x] = (u8)byte;
    }
}

// One byte per voxel, 0 or 1; one thread each.
extern "C" __global__ void bits_unpack(u8 *voxels, const u64 *words, u64 count, u32 stride, u32 columns) {
    u64 at = thread_index();
    if (at >= count) return;
    u64 row = at / columns;
    u32 column = (u32)(at - row * columns);
    voxels[at] = words[row * stride + column / 64] >> (column % 64) & 1;
}
