// spline.cu: twin of cpu.rs. What cpu.rs does in two passes along each line, prefilter and spline, is one sum
// here for each value: of the voxels around it by weights that the host worked out (along.rs), both ends
// of the axis already folded in. Sums are in another order than on the CPU, so the last bits differ.

// out[outer, count, inner] from in[outer, n, inner], which begins `start` voxels into `in`: along the middle
// axis, `taps` voxels from `first` on.
template <class T>
__device__ inline void along(float *out, const T *in, const u32 *first, const float *weights, u32 taps, u64 start,
                             u64 outer, u64 count, u64 n, u64 inner) {
    u64 at = thread_index();
    if (at >= outer * count * inner) return;
    u64 line = at / inner, x = at - line * inner;
    u64 y = line / count, place = line - y * count;
    const T *from = in + start + (y * n + first[place]) * inner + x;
    const float *weight = weights + place * taps;
    float sum = 0.0f;
    for (u32 tap = 0; tap < taps; tap++) sum += weight[tap] * (float)from[tap * inner];
    out[at] = sum;
}

extern "C" __global__ void spline_along_u8(float *out, const u8 *in, const u32 *first, const float *weights, u32 taps,
                                           u64 start, u64 outer, u64 count, u64 n, u64 inner) {
    along(out, in, first, weights, taps, start, outer, count, n, inner);
}

extern "C" __global__ void spline_along_i16(float *out, const i16 *in, const u32 *first, const float *weights,
                                            u32 taps, u64 start, u64 outer, u64 count, u64 n, u64 inner) {
    along(out, in, first, weights, taps, start, outer, count, n, inner);
}

extern "C" __global__ void spline_along_f32(float *out, const float *in, const u32 *first, const float *weights,
                                            u32 taps, u64 start, u64 outer, u64 count, u64 n, u64 inner) {
    along(out, in, first, weights, taps, start, outer, count, n, inner);
}

__device__ inline float on_scale(float value, float scale, float offset, float least, float most) {
    value = value * scale + offset;
    value = value < least ? least : value;
    return value > most ? most : value;
}

__device__ inline u64 pick(u64 a, u64 b, u64 c, u32 which) { return which == 0 ? a : which == 1 ? b : c; }

// Along k, in the order of the output's axes, and outside. The source's axis d is the output's axis axis_d;
// from begin_d on, count_d of its indices are inside, and `in` is [n, count_j, count_i].
extern "C" __global__ void spline_finish(float *out, const float *in, const u32 *first, const float *weights,
                                         u32 taps, u64 shape_0, u64 shape_1, u64 shape_2, u32 axis_k, u32 axis_j,
                                         u32 axis_i, u64 begin_k, u64 begin_j, u64 begin_i, u64 count_k, u64 count_j,
                                         u64 count_i, float scale, float offset, float least, float most,
                                         float outside) {
    u64 at = thread_index();
    if (at >= shape_0 * shape_1 * shape_2) return;
    u64 row = at / shape_2, c = at - row * shape_2, a = row / shape_1, b = row - a * shape_1;
    // What lies before the inside becomes very large.
    u64 k = pick(a, b, c, axis_k) - begin_k, j = pick(a, b, c, axis_j) - begin_j, i = pick(a, b, c, axis_i) - begin_i;
    if (k >= count_k || j >= count_j || i >= count_i) {
        out[at] = outside;
        return;
    }
    const float *from = in + (first[k] * count_j + j) * count_i + i;
    const float *weight = weights + k * taps;
    float sum = 0.0f;
    for (u32 tap = 0; tap < taps; tap++) sum += weight[tap] * from[tap * count_j * count_i];
    out[at] = on_scale(sum, scale, offset, least, most);
}

// What the four coefficients around a place count for that is t beyond the second.
__device__ inline void weights_of(float weight[4], float t) {
    float u = 1.0f - t;
    weight[0] = u * u * u * (1.0f / 6.0f);
    weight[1] = 2.0f / 3.0f - t * t * (1.0f - 0.5f * t);
    weight[2] = 2.0f / 3.0f - u * u * (1.0f - 0.5f * u);
    weight[3] = t * t * t * (1.0f / 6.0f);
}

// Whether a place is inside of an axis of n voxels: as in grid.rs.
__device__ inline bool is_inside(double place, double n) { return place >= -0.5 - 1e-6 && place <= n - 0.5 + 1e-6; }

// Where no axis follows another. `in` has so many rows and columns; the first coefficient is that of voxel
// (low_i, low_j, low_k) of a source of columns, rows and slices size_i, size_j and size_k.
extern "C" __global__ void spline_oblique(float *out, const float *in, u64 rows, u64 columns, u64 shape_0,
                                          u64 shape_1, u64 shape_2, double ii, double ij, double ik, double i0,
                                          double ji, double jj, double jk, double j0, double ki, double kj, double kk,
                                          double k0, double low_i, double low_j, double low_k, double size_i,
                                          double size_j, double size_k, float scale, float offset, float least,
                                          float most, float outside) {
    u64 at = thread_index();
    if (at >= shape_0 * shape_1 * shape_2) return;
    u64 row = at / shape_2;
    double i = (double)(at - row * shape_2), k = (double)(row / shape_1), j = (double)(row % shape_1);
    double place_i = ij * j + ik * k + i0 + ii * i;
    double place_j = jj * j + jk * k + j0 + ji * i;
    double place_k = kj * j + kk * k + k0 + ki * i;
    if (!(is_inside(place_i, size_i) && is_inside(place_j, size_j) && is_inside(place_k, size_k))) {
        out[at] = outside;
        return;
    }
    place_i -= low_i, place_j -= low_j, place_k -= low_k;
    int whole_i = (int)place_i, whole_j = (int)place_j, whole_k = (int)place_k;
    float weight_i[4], weight_j[4], weight_k[4];
    weights_of(weight_i, (float)(place_i - whole_i));
    weights_of(weight_j, (float)(place_j - whole_j));
    weights_of(weight_k, (float)(place_k - whole_k));
    const float *from = in + ((whole_k - 1) * rows + (whole_j - 1)) * columns + (whole_i - 1);
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int c = 0; c < 4; c++) {
#pragma unroll
        for (int b = 0; b < 4; b++) {
            const float *four = from + (c * rows + b) * columns;
            float share = weight_k[c] * weight_j[b];
#pragma unroll
            for (int a = 0; a < 4; a++) sum[a] += share * four[a];
        }
    }
    float value = (weight_i[0] * sum[0] + weight_i[1] * sum[1]) + (weight_i[2] * sum[2] + weight_i[3] * sum[3]);
    out[at] = on_scale(value, scale, offset, least, most);
}
