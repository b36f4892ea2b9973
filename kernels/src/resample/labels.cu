// labels.cu, CUDA twin of nearest.rs: voxels as they are, by their bits, one thread per voxel.

// Along the axes: `at` holds for each output slice, row and column how far it leads into the source, or -1.
template <class T>
__device__ inline void aligned(T *out, const T *in, const i64 *at, int slices, int rows, int columns, T outside) {
    const u64 voxel = thread_index();
    if (voxel >= (u64)slices * rows * columns) return;
    const i64 i = at[slices + rows + voxel % columns], j = at[slices + voxel / columns % rows];
    const i64 k = at[voxel / columns / rows];
    out[voxel] = k < 0 || j < 0 || i < 0 ? outside : in[k + j + i];
}

// Under any map.
template <class T>
__device__ inline void oblique(T *out, const T *in, const double *map, int slices, int rows, int columns,
                               int whole_k, int whole_j, int whole_i, T outside) {
    const u64 voxel = thread_index();
    if (voxel >= (u64)slices * rows * columns) return;
    const int i = (int)(voxel % columns), j = (int)(voxel / columns % rows), k = (int)(voxel / columns / rows);
    const int whole[3] = {whole_i, whole_j, whole_k};
    u64 at[3];
    bool is_inside = true;
    for (int d = 0; d < 3; d++) {
        const double *row = map + 4 * d;
        const double start = row[1] * j + row[2] * k + row[3];
        const double place = start + row[0] * i;
        is_inside = is_inside && place >= -0.5 - 1e-6 && place <= whole[d] - 0.5 + 1e-6;
        at[d] = is_inside ? (u64)min(max(place + 0.5, 0.0), (double)(whole[d] - 1)) : 0;
    }
    out[voxel] = is_inside ? in[(at[2] * whole_j + at[1]) * whole_i + at[0]] : outside;
}

#define ALIGNED(T) T *out, const T *in, const i64 *at, int slices, int rows, int columns, T outside
#define OBLIQUE(T)                                                                                     \
    T *out, const T *in, const double *map, int slices, int rows, int columns, int whole_k, int whole_j, \
        int whole_i, T outside

extern "C" __global__ void labels_8(ALIGNED(u8)) {
    aligned(out, in, at, slices, rows, columns, outside);
}
extern "C" __global__ void labels_16(ALIGNED(u16)) {
    aligned(out, in, at, slices, rows, columns, outside);
}
extern "C" __global__ void labels_32(ALIGNED(u32)) {
    aligned(out, in, at, slices, rows, columns, outside);
}
extern "C" __global__ void labels_oblique_8(OBLIQUE(u8)) {
    oblique(out, in, map, slices, rows, columns, whole_k, whole_j, whole_i, outside);
}
extern "C" __global__ void labels_oblique_16(OBLIQUE(u16)) {
    oblique(out, in, map, slices, rows, columns, whole_k, whole_j, whole_i, outside);
}
extern "C" __global__ void labels_oblique_32(OBLIQUE(u32)) {
    oblique(out, in, map, slices, rows, columns, whole_k, whole_j, whole_i, outside);
}
