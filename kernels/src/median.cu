// median.cu: twin of median.rs, one thread per voxel. A median is exact, so any way of finding it will do.

__device__ inline void put_in_order(float &a, float &b) {
    float low = a < b ? a : b, high = a < b ? b : a;
    a = low, b = high;
}

// Of SIZE values that are left neither the least nor the greatest is the median: both go, another comes in.
template <int SIZE> struct Left {
    static __device__ inline float median(float (&held)[15], const float (&values)[27]) {
#pragma unroll
        for (int low = 0; low < SIZE / 2; low++) put_in_order(held[low], held[SIZE - 1 - low]);
#pragma unroll
        for (int low = 1; low < (SIZE + 1) / 2; low++) {
            put_in_order(held[0], held[low]);
            put_in_order(held[SIZE - 1 - low], held[SIZE - 1]);
        }
        // The greatest makes room for the last one held, the least for a new one.
        held[0] = values[30 - SIZE];
        return Left<SIZE - 1>::median(held, values);
    }
};
template <> struct Left<3> {
    static __device__ inline float median(float (&held)[15], const float (&)[27]) {
        put_in_order(held[0], held[2]);
        put_in_order(held[0], held[1]);
        put_in_order(held[1], held[2]);
        return held[1];
    }
};

extern "C" __global__ void median_of_27(float *out, const float *in, u64 slices, u64 rows, u64 columns) {
    u64 at = thread_index();
    if (at >= slices * rows * columns) return;
    u64 row = at / columns, i = at - row * columns, k = row / rows, j = row - k * rows;
    u64 before_i = i > 0 ? i - 1 : 0, after_i = i + 1 < columns ? i + 1 : i;
    float values[27], held[15];
#pragma unroll
    for (int n = 0; n < 9; n++) {
        u64 c = n / 3 == 0 ? (k > 0 ? k - 1 : 0) : n / 3 == 1 ? k : k + 1 < slices ? k + 1 : k;
        u64 b = n % 3 == 0 ? (j > 0 ? j - 1 : 0) : n % 3 == 1 ? j : j + 1 < rows ? j + 1 : j;
        const float *from = in + (c * rows + b) * columns;
        values[3 * n] = from[before_i];
        values[3 * n + 1] = from[i];
        values[3 * n + 2] = from[after_i];
    }
#pragma unroll
    for (int n = 0; n < 15; n++) held[n] = values[n];
    out[at] = Left<15>::median(held, values);
}
