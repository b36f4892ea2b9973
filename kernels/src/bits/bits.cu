// bits.cu: CUDA twin of bits/mod.rs. Masks of one bit per voxel; rows begin with a word of their own, and bits
// beyond the last column are 0.

template <class N>
__device__ inline bool is_within(const void *voxels, u32 kind, u64 at, N low, N high, u32 above) {
    N value = load<N>(voxels, kind, at);
    return (above ? value > low : value >= low) && value <= high;
}

// The voxels from `low` (or only above it) to `high`. A block of 256 threads makes 32 words, a thread one byte
// of them. Kinds that single precision holds are compared in it.
extern "C" __global__ void bits_within(u8 *bytes, const void *voxels, u32 kind, u32 words, u32 stride,
                                       u32 columns, double low, double high, u32 above) {
    __shared__ u8 flags[2048];
    u32 first = blockIdx.x * 32;
    bool is_wide = kind == 3 || kind == 4;
    for (u32 at = threadIdx.x; at < 2048; at += 256) {
        u32 word = first + at / 64;
        u32 row = word / stride;
        u32 column = (word - row * stride) * 64 + at % 64;
        bool is_in = false;
        if (word < words && column < columns) {
            u64 voxel = (u64)row * columns + column;
            is_in = is_wide ? is_within<double>(voxels, kind, voxel, low, high, above)
                            : is_within<float>(voxels, kind, voxel, (float)low, (float)high, above);
        }
        flags[at] = is_in;
    }
    __syncthreads();
    if (first + threadIdx.x / 8 < words) {
        u32 byte = 0;
        for (u32 bit = 0; bit < 8; bit++) byte |= (u32)flags[threadIdx.x * 8 + bit] << bit;
        bytes[(u64)first * 8 + threadIdx.x] = (u8)byte;
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
