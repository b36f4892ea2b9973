// What CUDA gives a kernel, in C++: the .cu files are compiled after this, see driver.cpp.
//
// A block's threads run one after the other, and as fibres where the file has a barrier; blocks run one after
// the other. Atomic operations therefore need no atomicity.

#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>
#include <utility>

struct foci_dim3 {
    unsigned x, y, z;
};
typedef foci_dim3 dim3;

extern thread_local foci_dim3 threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __constant__ static const
// One block runs at a time on a thread of the system, so what the block shares is the thread's.
#define __shared__ static thread_local

void foci_barrier();
#define __syncthreads() foci_barrier()
#define __threadfence() ((void)0)

struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct ushort4 { unsigned short x, y, z, w; };
struct short4 { short x, y, z, w; };
struct uchar4 { unsigned char x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) { return {x, y, z, w}; }

template <class T> inline T foci_least(T a, T b) { return b < a ? b : a; }
template <class T> inline T foci_most(T a, T b) { return a < b ? b : a; }
inline int min(int a, int b) { return foci_least(a, b); }
inline unsigned min(unsigned a, unsigned b) { return foci_least(a, b); }
inline long long min(long long a, long long b) { return foci_least(a, b); }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return foci_least(a, b); }
inline float min(float a, float b) { return fminf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline int max(int a, int b) { return foci_most(a, b); }
inline unsigned max(unsigned a, unsigned b) { return foci_most(a, b); }
inline long long max(long long a, long long b) { return foci_most(a, b); }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return foci_most(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

template <class T, class V> inline T atomicAdd(T *at, V value) { T old = *at; *at = (T)(old + (T)value); return old; }
template <class T, class V> inline T atomicSub(T *at, V value) { T old = *at; *at = (T)(old - (T)value); return old; }
template <class T, class V> inline T atomicMin(T *at, V value) { T old = *at; if ((T)value < old) *at = (T)value; return old; }
template <class T, class V> inline T atomicMax(T *at, V value) { T old = *at; if (old < (T)value) *at = (T)value; return old; }
template <class T, class V> inline T atomicOr(T *at, V value) { T old = *at; *at = old | (T)value; return old; }
template <class T, class V> inline T atomicAnd(T *at, V value) { T old = *at; *at = old & (T)value; return old; }
template <class T, class V> inline T atomicXor(T *at, V value) { T old = *at; *at = old ^ (T)value; return old; }
template <class T, class V> inline T atomicExch(T *at, V value) { T old = *at; *at = (T)value; return old; }
template <class T, class V, class W> inline T atomicCAS(T *at, V expected, W value) {
    T old = *at;
    if (old == (T)expected) *at = (T)value;
    return old;
}

inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __ffsll(long long v) { return __builtin_ffsll(v); }
template <class T> inline T __ldg(const T *at) { return *at; }
inline float __saturatef(float v) { return v > 0.0f ? (v < 1.0f ? v : 1.0f) : 0.0f; }
inline unsigned __float_as_uint(float v) { unsigned r; memcpy(&r, &v, 4); return r; }
inline float __uint_as_float(unsigned v) { float r; memcpy(&r, &v, 4); return r; }
inline int __float_as_int(float v) { int r; memcpy(&r, &v, 4); return r; }
inline float __int_as_float(int v) { float r; memcpy(&r, &v, 4); return r; }
inline int __float2int_rd(float v) { return (int)floorf(v); }
inline int __float2int_rn(float v) { return (int)nearbyintf(v); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }

unsigned short foci_half_bits(float value);
float foci_half_value(unsigned short bits);

// Kernels announce themselves by name when the library is loaded.
typedef void (*foci_call)(void **arguments);
struct foci_kernel {
    foci_kernel(const char *name, foci_call call, bool has_barrier);
};

template <class F> struct foci_arguments;
template <class... A> struct foci_arguments<void (*)(A...)> {
    template <size_t... I> static void pass(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
        kernel(*static_cast<typename std::decay<A>::type *>(arguments[I])...);
    }
    static void call(void (*kernel)(A...), void **arguments) {
        pass(kernel, arguments, std::index_sequence_for<A...>());
    }
};

#define FOCI_KERNEL(NAME, HAS_BARRIER)                                                                          \
    static foci_kernel foci_kernel_##NAME(                                                                      \
        #NAME, [](void **arguments) { foci_arguments<decltype(&NAME)>::call(&NAME, arguments); }, HAS_BARRIER)
