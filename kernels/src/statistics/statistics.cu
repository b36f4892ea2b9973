// statistics.cu: counts and sums for statistics.rs. Every thread takes every so-manieth voxel. Neighbours are
// alike, so a thread counts equal ones in a row by itself and adds them at once.

// Bins that a block counts in its own memory: HU from -1024 to 7167, and bytes. Others are rare.
#define NEAR 8192
#define NEAR_FIRST (-1024)

template <class T>
__device__ inline void count_values(u32 *near, u64 *counts, const T *in, const u8 *mask, u32 has_mask, u64 n,
                                    int least) {
    for (u32 bin = threadIdx.x; bin < NEAR; bin += blockDim.x) near[bin] = 0;
    __syncthreads();
    int last = 0;
    u32 run = 0;
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 at = thread_index();; at += step) {
        bool is_over = at >= n;
        if (!is_over && has_mask && !mask[at]) continue;
        int value = is_over ? 65536 : (int)in[at];
        if (value != last) {
            if (run > 0) {
                u32 bin = (u32)(last - NEAR_FIRST);
                if (bin < NEAR) atomicAdd(&near[bin], run);
                else atomicAdd(&counts[last - least], (u64)run);
            }
            last = value;
            run = 0;
        }
        if (is_over) break;
        run++;
    }
    __syncthreads();
    for (u32 bin = threadIdx.x; bin < NEAR; bin += blockDim.x) {
        if (near[bin] > 0) atomicAdd(&counts[NEAR_FIRST + (int)bin - least], (u64)near[bin]);
    }
}

extern "C" __global__ void statistics_count_u8(u64 *counts, const u8 *in, const u8 *mask, u32 has_mask, u64 n,
                                               int least) {
    __shared__ u32 near[NEAR];
    count_values(near, counts, in, mask, has_mask, n, least);
}

extern "C" __global__ void statistics_count_i16(u64 *counts, const i16 *in, const u8 *mask, u32 has_mask, u64 n,
                                                int least) {
    __shared__ u32 near[NEAR];
    count_values(near, counts, in, mask, has_mask, n, least);
}

// Whether a voxel counts; with `all`, whatever its value, if it is a number.
__device__ inline bool does_count(float value, const u8 *mask, u32 has_mask, u64 at, float above, u32 all) {
    if (has_mask && !mask[at]) return false;
    return all ? value == value : value > above;
}

// The bits of a number, so that greater numbers have greater ones; 0 and -0 are the same.
__device__ inline u32 in_order(float value) {
    u32 bits = __float_as_uint(value + 0.0f);
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

// For each thread the sums of value - about and of its square, how many there are, the least and the greatest.
extern "C" __global__ void statistics_sums_f32(double *sums, u64 *counts, float *ends, const float *in, const u8 *mask,
                                               u32 has_mask, u64 n, float above, u32 all, double about) {
    double sum = 0.0, squares = 0.0;
    u64 count = 0, self = thread_index(), step = (u64)gridDim.x * blockDim.x;
    float infinity = __uint_as_float(0x7f800000u), least = infinity, most = -infinity;
    for (u64 at = self; at < n; at += step) {
        float value = in[at];
        if (!does_count(value, mask, has_mask, at, above, all)) continue;
        double off = (double)value - about;
        sum += off;
        squares += off * off;
        least = value < least ? value : least;
        most = value > most ? value : most;
        count++;
    }
    sums[2 * self] = sum;
    sums[2 * self + 1] = squares;
    counts[self] = count;
    ends[2 * self] = least;
    ends[2 * self + 1] = most;
}

// How often each upper half of the ordered bits is there.
extern "C" __global__ void statistics_upper_f32(u64 *counts, const float *in, const u8 *mask, u32 has_mask, u64 n,
                                                float above, u32 all) {
    u32 last = 0, run = 0;
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 at = thread_index(); at < n; at += step) {
        float value = in[at];
        if (!does_count(value, mask, has_mask, at, above, all)) continue;
        u32 bin = in_order(value) >> 16;
        if (bin != last) {
            if (run > 0) atomicAdd(&counts[last], (u64)run);
            last = bin;
            run = 0;
        }
        run++;
    }
    if (run > 0) atomicAdd(&counts[last], (u64)run);
}

// How often each lower half is there, for the upper halves that have a slot.
extern "C" __global__ void statistics_lower_f32(u64 *counts, const u32 *slots, const float *in, const u8 *mask,
                                                u32 has_mask, u64 n, float above, u32 all) {
    u32 run = 0;
    u64 last = 0, step = (u64)gridDim.x * blockDim.x;
    for (u64 at = thread_index(); at < n; at += step) {
        float value = in[at];
        if (!does_count(value, mask, has_mask, at, above, all)) continue;
        u32 bits = in_order(value), slot = slots[bits >> 16];
        if (slot == 0xffffffffu) continue;
        u64 bin = (u64)slot << 16 | (bits & 0xffffu);
        if (bin != last) {
            if (run > 0) atomicAdd(&counts[last], (u64)run);
            last = bin;
            run = 0;
        }
        run++;
    }
    if (run > 0) atomicAdd(&counts[last], (u64)run);
}
