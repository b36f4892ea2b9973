// measure.cu: the twin of `line_sums` in measure.rs, one thread per line: its sums in the same order and with
// the same comparisons, so that they are the same bits. Squares of single-precision numbers are exact.

template <class V>
__device__ inline void line_sums(double *sums, const u32 *lines, const V *volume, u64 rows, u64 columns, u64 count) {
    u64 at = thread_index();
    if (at >= count) return;
    const u32 *line = lines + 4 * at;
    const V *row = volume + (line[0] * rows + line[1]) * columns;
    double infinity = 1e300 * 1e300;
    double sum = 0.0, squares = 0.0, low = infinity, high = -infinity;
    for (u32 i = line[2]; i < line[3]; i++) {
        double value = (double)row[i];
        sum += value;
        squares += value * value;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    double *to = sums + 4 * at;
    to[0] = sum;
    to[1] = squares;
    to[2] = low;
    to[3] = high;
}

extern "C" __global__ void measure_i16(double *sums, const u32 *lines, const i16 *volume, u64 rows, u64 columns,
                                       u64 count) {
    line_sums(sums, lines, volume, rows, columns, count);
}

extern "C" __global__ void measure_f32(double *sums, const u32 *lines, const float *volume, u64 rows, u64 columns,
                                       u64 count) {
    line_sums(sums, lines, volume, rows, columns, count);
}
