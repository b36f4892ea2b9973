// resample.cu, CUDA twin of aligned.rs, oblique.rs and nearest.rs: the same sums in the same order.
//
// Along the axes a thread makes four neighbours of a row in one output slice after the other. What it blended
// of a source slice stays in its registers for as long as output slices are between that one and the next, so
// each source slice is read once, and the four are written at once where they lie beside each other.

// What becomes of interpolated values.
struct Scale {
    float scale, offset, least, most, outside;
};

// Exactly a for weight 0.
__device__ inline float mix(float a, float b, float weight) { return weight == 0.0f ? a : a + (b - a) * weight; }

__device__ inline float scaled(float value, const Scale &onto) {
    value = value * onto.scale + onto.offset;
    value = value < onto.least ? onto.least : value;
    return value > onto.most ? onto.most : value;
}

// The kinds of output: single and half precision, and masks, for which `least` is the threshold.
struct Single {
    typedef float Voxel;
    struct alignas(16) Four { float of[4]; };
    static __device__ inline float finish(float value, const Scale &onto) { return scaled(value, onto); }
    static __device__ inline float outside(const Scale &onto) { return onto.outside; }
};
struct Half {
    typedef u16 Voxel;
    struct alignas(8) Four { u16 of[4]; };
    static __device__ inline u16 finish(float value, const Scale &onto) { return half_bits(scaled(value, onto)); }
    static __device__ inline u16 outside(const Scale &onto) { return half_bits(onto.outside); }
};
struct Mask {
    typedef u8 Voxel;
    struct alignas(4) Four { u8 of[4]; };
    static __device__ inline u8 finish(float value, const Scale &onto) { return value > onto.least; }
    static __device__ inline u8 outside(const Scale &) { return 0; }
};

// How many output slices a thread makes.
#define SLICES 16

// Along the axes, all in the order of the source's. `at` and `weight` say for each output slice, then row, then
// column, which voxel of the part comes first (-1 outside) and what weight the one after has. `size` is the
// output's, `part` the source part's, and steps are those of the output. A slice of the part has less than 2^32 voxels.
template <class T, class O>
__device__ inline void aligned(typename O::Voxel *out, const T *in, const int *at, const float *weight,
                               int size_k, int size_j, int size_i, int part_k, int part_j, int part_i,
                               u64 step_k, u64 step_j, u64 step_i, const Scale &onto) {
    const u64 plane = (u64)size_j * size_i;
    const u64 start = thread_index() * 4;
    if (start >= plane) return;
    const int count = plane - start < 4 ? (int)(plane - start) : 4;
    const int *at_j = at + size_k, *at_i = at_j + size_j;
    const float *weight_j = weight + size_k, *weight_i = weight_j + size_j;

    // Where the four are, and where they come from in a slice.
    u64 to[4];
    u32 from[4];
    // A bit for each of the four.
    u32 inside = 0, has_next_j = 0, has_next_i = 0;
    float along_j[4], along_i[4], low[4], high[4];
    for (int v = 0; v < 4; v++) {
        const u64 flat = start + (v < count ? v : 0);
        const int j = (int)(flat / size_i), i = (int)(flat % size_i);
        to[v] = j * step_j + i * step_i;
        const int from_j = at_j[j], from_i = at_i[i];
        from[v] = (u32)from_j * part_i + from_i;
        inside |= (u32)(from_j >= 0 && from_i >= 0) << v;
        has_next_j |= (u32)(from_j + 1 < part_j) << v;
        has_next_i |= (u32)(from_i + 1 < part_i) << v;
        along_j[v] = weight_j[j];
        along_i[v] = weight_i[i];
        low[v] = high[v] = 0.0f;
    }
    const u64 slice = (u64)part_j * part_i;
    const bool together = step_i == 1 && step_j == (u64)size_i && step_k % 4 == 0 && count == 4;
    int low_k = -1, high_k = -1;
    const int first = blockIdx.y * SLICES, last = min(first + SLICES, size_k);
    for (int k = first; k < last; k++) {
        const int from_k = at[k];
        const float along_k = weight[k];
        const int next_k = from_k + 1 < part_k && along_k != 0.0f ? from_k + 1 : from_k;
        if (from_k >= 0) {
            // Going up, the upper slice becomes the lower one; going down, the other way round.
            const bool take_high = from_k != low_k && from_k == high_k;
            const bool take_low = next_k != high_k && next_k == low_k;
            const bool read_low = from_k != low_k && from_k != high_k;
            const bool read_high = next_k != high_k && next_k != low_k && next_k != from_k;
            for (int v = 0; v < 4; v++) {
                if (!(inside >> v & 1)) continue;
                const float lower = low[v], upper = high[v];
                if (take_high) low[v] = upper;
                if (take_low) high[v] = lower;
                for (int which = 0; which < 2; which++) {
                    if (which == 0 ? !read_low : !read_high) continue;
                    const T *a = in + (which == 0 ? from_k : next_k) * slice + from[v];
                    const T *b = a + (has_next_j >> v & 1 ? part_i : 0);
                    const u32 next = has_next_i >> v & 1;
                    const float near = mix((float)a[0], (float)a[next], along_i[v]);
                    const float far = mix((float)b[0], (float)b[next], along_i[v]);
                    const float value = mix(near, far, along_j[v]);
                    if (which == 0) low[v] = value;
                    else high[v] = value;
                }
                if (next_k == from_k) high[v] = low[v];
            }
            low_k = from_k;
            high_k = next_k;
        }
        typename O::Four four;
        for (int v = 0; v < 4; v++) {
            four.of[v] = from_k >= 0 && (inside >> v & 1) ? O::finish(mix(low[v], high[v], along_k), onto) : O::outside(onto);
        }
        typename O::Voxel *target = out + k * step_k;
        if (together) {
            *(typename O::Four *)(target + start) = four;
        } else {
            for (int v = 0; v < count; v++) target[to[v]] = four.of[v];
        }
    }
}

// The voxels that `of` gives for each tap, blended by their weights.
template <class F>
__device__ inline float blend(const float *weights, int taps, F of) {
    if (taps == 1 || (taps == 2 && weights[1] == 0.0f)) return of(0);
    if (taps == 2) return mix(of(0), of(1), weights[1]);
    float sum = 0.0f;
    for (int tap = 0; tap < taps; tap++) {
        if (weights[tap] != 0.0f) sum = sum + of(tap) * weights[tap];
    }
    return sum;
}

// As `aligned`, of any number of voxels along each axis, one thread per voxel of the output. `at` and `weight`
// are as there, but with all of the weights; `taps` is how many there are along each axis.
template <class T, class O>
__device__ inline void covered(typename O::Voxel *out, const T *in, const int *at, const float *weight,
                               int taps_k, int taps_j, int taps_i, int size_k, int size_j, int size_i, int part_k,
                               int part_j, int part_i, u64 step_k, u64 step_j, u64 step_i, const Scale &onto) {
    const u64 flat = thread_index();
    if (flat >= (u64)size_j * size_i) return;
    const int k = blockIdx.y, j = (int)(flat / size_i), i = (int)(flat % size_i);
    const int from_k = at[k], from_j = at[size_k + j], from_i = at[size_k + size_j + i];
    typename O::Voxel *to = out + k * step_k + j * step_j + i * step_i;
    if (from_k < 0 || from_j < 0 || from_i < 0) {
        *to = O::outside(onto);
        return;
    }
    const float *weights_k = weight + (u64)k * taps_k;
    const float *weights_j = weight + (u64)size_k * taps_k + (u64)j * taps_j;
    const float *weights_i = weight + (u64)size_k * taps_k + (u64)size_j * taps_j + (u64)i * taps_i;
    const float value = blend(weights_k, taps_k, [&](int tap_k) {
        const T *slice = in + (u64)min(from_k + tap_k, part_k - 1) * part_j * part_i;
        const auto voxel = [&](int tap_j, int tap_i) {
            const T *row = slice + (u64)min(from_j + tap_j, part_j - 1) * part_i;
            return (float)row[min(from_i + tap_i, part_i - 1)];
        };
        if (taps_i <= 2 && taps_j <= 2) {
            return blend(weights_j, taps_j, [&](int tap_j) {
                return blend(weights_i, taps_i, [&](int tap_i) { return voxel(tap_j, tap_i); });
            });
        }
        return blend(weights_i, taps_i, [&](int tap_i) {
            return blend(weights_j, taps_j, [&](int tap_j) { return voxel(tap_j, tap_i); });
        });
    });
    *to = O::finish(value, onto);
}

// A place in a whole source, in the order i, j, k.
struct Place {
    double of[3];
};

// Where the map leads from an output voxel, and whether that is within half a voxel of the source.
__device__ inline bool lead(Place &place, const double *map, int k, int j, int i, const int *whole) {
    bool is_inside = true;
    for (int d = 0; d < 3; d++) {
        const double *row = map + 4 * d;
        const double start = row[1] * j + row[2] * k + row[3];
        place.of[d] = start + row[0] * i;
        is_inside = is_inside && place.of[d] >= -0.5 - 1e-6 && place.of[d] <= whole[d] - 0.5 + 1e-6;
    }
    return is_inside;
}

__device__ inline int nearest_to(double place, int size) {
    return (int)min(max(place + 0.5, 0.0), (double)(size - 1));
}

// Under any map, one thread per voxel. `box` is the output's columns and rows and the first of its slices, the
// whole source's columns, rows and slices, the part's, and its first voxel's place.
template <class T, class O>
__device__ inline void oblique(typename O::Voxel *out, const T *in, const double *map, const int *box, u64 count,
                               int is_nearest, const Scale &onto) {
    const u64 at = thread_index();
    if (at >= count) return;
    const int i = (int)(at % box[0]), j = (int)(at / box[0] % box[1]), k = (int)(at / box[0] / box[1]) + box[2];
    const int *whole = box + 3, *part = box + 6, *origin = box + 9;
    Place place;
    if (!lead(place, map, k, j, i, whole)) {
        out[at] = O::outside(onto);
        return;
    }
    const u64 steps[3] = {1, (u64)part[0], (u64)part[0] * part[1]};
    u64 from = 0, next[3];
    float weight[3];
    for (int d = 0; d < 3; d++) {
        int low;
        if (is_nearest) {
            low = nearest_to(place.of[d], whole[d]);
            weight[d] = 0.0f;
        } else {
            low = (int)min(max(place.of[d], 0.0), (double)(whole[d] - 1));
            weight[d] = (float)max(place.of[d] - low, 0.0);
        }
        next[d] = low + 1 < whole[d] && !is_nearest ? steps[d] : 0;
        from += (low - origin[d]) * steps[d];
    }
    const T *corner = in + from;
    float along[4];
    for (int row = 0; row < 4; row++) {
        const T *a = corner + (row & 1 ? next[1] : 0) + (row & 2 ? next[2] : 0);
        along[row] = mix((float)a[0], (float)a[next[0]], weight[0]);
    }
    const float near = mix(along[0], along[1], weight[1]), far = mix(along[2], along[3], weight[1]);
    out[at] = O::finish(mix(near, far, weight[2]), onto);
}

#define ALIGNED(T, O)                                                                                             \
    O::Voxel *out, const T *in, const int *at, const float *weight, int size_k, int size_j, int size_i, \
        int part_k, int part_j, int part_i, u64 step_k, u64 step_j, u64 step_i, float scale, float offset,       \
        float least, float most, float outside
#define ALONG                                                                                                 \
    out, in, at, weight, size_k, size_j, size_i, part_k, part_j, part_i, step_k, step_j, step_i,              \
        Scale { scale, offset, least, most, outside }
#define COVERED(T, O)                                                                                             \
    O::Voxel *out, const T *in, const int *at, const float *weight, int taps_k, int taps_j, int taps_i,           \
        int size_k, int size_j, int size_i, int part_k, int part_j, int part_i, u64 step_k, u64 step_j,          \
        u64 step_i, float scale, float offset, float least, float most, float outside
#define ALL                                                                                                   \
    out, in, at, weight, taps_k, taps_j, taps_i, size_k, size_j, size_i, part_k, part_j, part_i, step_k,      \
        step_j, step_i, Scale { scale, offset, least, most, outside }
#define OBLIQUE(T, O)                                                                                        \
    O::Voxel *out, const T *in, const double *map, const int *box, u64 count, int is_nearest,                \
        float scale, float offset, float least, float most, float outside
#define ACROSS out, in, map, box, count, is_nearest, Scale { scale, offset, least, most, outside }

extern "C" __global__ void resample_u8_single(ALIGNED(u8, Single)) { aligned<u8, Single>(ALONG); }
extern "C" __global__ void resample_i16_single(ALIGNED(i16, Single)) { aligned<i16, Single>(ALONG); }
extern "C" __global__ void resample_f32_single(ALIGNED(float, Single)) { aligned<float, Single>(ALONG); }
extern "C" __global__ void resample_u8_half(ALIGNED(u8, Half)) { aligned<u8, Half>(ALONG); }
extern "C" __global__ void resample_i16_half(ALIGNED(i16, Half)) { aligned<i16, Half>(ALONG); }
extern "C" __global__ void resample_f32_half(ALIGNED(float, Half)) { aligned<float, Half>(ALONG); }
extern "C" __global__ void resample_u8_mask(ALIGNED(u8, Mask)) { aligned<u8, Mask>(ALONG); }
extern "C" __global__ void resample_i16_mask(ALIGNED(i16, Mask)) { aligned<i16, Mask>(ALONG); }
extern "C" __global__ void resample_f32_mask(ALIGNED(float, Mask)) { aligned<float, Mask>(ALONG); }

extern "C" __global__ void resample_covered_u8_single(COVERED(u8, Single)) { covered<u8, Single>(ALL); }
extern "C" __global__ void resample_covered_i16_single(COVERED(i16, Single)) { covered<i16, Single>(ALL); }
extern "C" __global__ void resample_covered_f32_single(COVERED(float, Single)) { covered<float, Single>(ALL); }
extern "C" __global__ void resample_covered_u8_half(COVERED(u8, Half)) { covered<u8, Half>(ALL); }
extern "C" __global__ void resample_covered_i16_half(COVERED(i16, Half)) { covered<i16, Half>(ALL); }
extern "C" __global__ void resample_covered_f32_half(COVERED(float, Half)) { covered<float, Half>(ALL); }
extern "C" __global__ void resample_covered_u8_mask(COVERED(u8, Mask)) { covered<u8, Mask>(ALL); }
extern "C" __global__ void resample_covered_i16_mask(COVERED(i16, Mask)) { covered<i16, Mask>(ALL); }
extern "C" __global__ void resample_covered_f32_mask(COVERED(float, Mask)) { covered<float, Mask>(ALL); }

extern "C" __global__ void resample_oblique_u8_single(OBLIQUE(u8, Single)) { oblique<u8, Single>(ACROSS); }
extern "C" __global__ void resample_oblique_i16_single(OBLIQUE(i16, Single)) { oblique<i16, Single>(ACROSS); }
extern "C" __global__ void resample_oblique_f32_single(OBLIQUE(float, Single)) { oblique<float, Single>(ACROSS); }
extern "C" __global__ void resample_oblique_u8_half(OBLIQUE(u8, Half)) { oblique<u8, Half>(ACROSS); }
extern "C" __global__ void resample_oblique_i16_half(OBLIQUE(i16, Half)) { oblique<i16, Half>(ACROSS); }
extern "C" __global__ void resample_oblique_f32_half(OBLIQUE(float, Half)) { oblique<float, Half>(ACROSS); }
extern "C" __global__ void resample_oblique_u8_mask(OBLIQUE(u8, Mask)) { oblique<u8, Mask>(ACROSS); }
extern "C" __global__ void resample_oblique_i16_mask(OBLIQUE(i16, Mask)) { oblique<i16, Mask>(ACROSS); }
extern "C" __global__ void resample_oblique_f32_mask(OBLIQUE(float, Mask)) { oblique<float, Mask>(ACROSS); }
