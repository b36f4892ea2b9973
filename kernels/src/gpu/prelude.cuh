// Stands before every .cu file: NVRTC finds no headers, and the tests compile the same text as C++.

typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
static_assert(sizeof(u64) == 8 && sizeof(i64) == 8 && sizeof(u32) == 4, "the sizes that Rust has");

// The place of this thread among all of the grid, along x.
__device__ inline u64 thread_index() { return blockIdx.x * (u64)blockDim.x + threadIdx.x; }

// The bits of the half-precision number nearest to a single-precision one, ties to even: IEEE 754 binary16.
__device__ inline u16 half_bits(float value) {
#ifdef FOCI_CUDA
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    return foci_half_bits(value);
#endif
}

// The number that the bits of a half-precision number mean.
__device__ inline float half_value(u16 bits) {
#ifdef FOCI_CUDA
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    return foci_half_value(bits);
#endif
}

// Voxel `at` of a volume of any kind, as a number of type N: see any.rs for the kinds' numbers.
template <class N> __device__ inline N load(const void *voxels, u32 kind, u64 at) {
    switch (kind) {
        case 0: return ((const u8 *)voxels)[at];
        case 1: return ((const i16 *)voxels)[at];
        case 2: return ((const u16 *)voxels)[at];
        case 3: return (N)((const int *)voxels)[at];
        case 4: return (N)((const u32 *)voxels)[at];
        case 5: return half_value(((const u16 *)voxels)[at]);
        default: return ((const float *)voxels)[at];
    }
}
