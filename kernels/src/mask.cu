// mask.cu: CUDA twin of `Cells::of` in mask.rs, one thread per cell.

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

// Copies a voxel of `size` bytes as it is.
__device__ inline void copy(u8 *to, u64 there, const void *from, u64 here, u32 size) {
    for (u32 byte = 0; byte < size; byte++) to[there * size + byte] = ((const u8 *)from)[here * size + byte];
}

// The least and the greatest voxel of each cell of ck x cj x ci voxels; of several the first.
extern "C" __global__ void mask_cells(u8 *least, u8 *greatest, const void *voxels, u32 kind, u32 size,
                                      u64 slices, u64 rows, u64 columns, u64 ck, u64 cj, u64 ci) {
    u64 at = thread_index();
    u64 wide = (columns + ci - 1) / ci, high = (rows + cj - 1) / cj, deep = (slices + ck - 1) / ck;
    if (at >= wide * high * deep) return;
    u64 i0 = at % wide * ci, j0 = at / wide % high * cj, k0 = at / wide / high * ck;
    u64 i1 = i0 + ci < columns ? i0 + ci : columns;
    u64 j1 = j0 + cj < rows ? j0 + cj : rows;
    u64 k1 = k0 + ck < slices ? k0 + ck : slices;
    u64 low_at = (k0 * rows + j0) * columns + i0, high_at = low_at;
    double low = load(voxels, kind, low_at), most = low;
    for (u64 k = k0; k < k1; k++) {
        for (u64 j = j0; j < j1; j++) {
            for (u64 i = i0; i < i1; i++) {
                u64 here = (k * rows + j) * columns + i;
                double value = load(voxels, kind, here);
                if (value < low) { low = value; low_at = here; }
                if (value > most) { most = value; high_at = here; }
            }
        }
    }
    copy(least, at, voxels, low_at, size);
    copy(greatest, at, voxels, high_at, size);
}
