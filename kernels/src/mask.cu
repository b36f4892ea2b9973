// mask.cu: CUDA twin of `Cells::of` in mask.rs, one thread per cell.

// Copies a voxel of `size` bytes as it is.
__device__ inline void copy(u8 *to, u64 there, const void *from, u64 here, u32 size) {
    for (u32 byte = 0; byte < size; byte++) to[there * size + byte] = ((const u8 *)from)[here * size + byte];
}

// Where the least and the greatest voxel of a cell lie; of several the first.
template <class N>
__device__ inline void extremes(const void *voxels, u32 kind, const u64 *start, const u64 *end, u64 rows,
                                u64 columns, u64 *low_at, u64 *high_at) {
    *low_at = *high_at = (start[0] * rows + start[1]) * columns + start[2];
    N low = load<N>(voxels, kind, *low_at), high = low;
    for (u64 k = start[0]; k < end[0]; k++) {
        for (u64 j = start[1]; j < end[1]; j++) {
            u64 row = (k * rows + j) * columns;
            for (u64 here = row + start[2]; here < row + end[2]; here++) {
                N value = load<N>(voxels, kind, here);
                if (value < low) { low = value; *low_at = here; }
                if (value > high) { high = value; *high_at = here; }
            }
        }
    }
}

// The least and the greatest voxel of each cell of ck x cj x ci voxels. Kinds that single precision holds are
// compared in it.
extern "C" __global__ void mask_cells(u8 *least, u8 *greatest, const void *voxels, u32 kind, u32 size,
                                      u64 slices, u64 rows, u64 columns, u64 ck, u64 cj, u64 ci) {
    u64 at = thread_index();
    u64 wide = (columns + ci - 1) / ci, high = (rows + cj - 1) / cj, deep = (slices + ck - 1) / ck;
    if (at >= wide * high * deep) return;
    u64 start[3] = {at / wide / high * ck, at / wide % high * cj, at % wide * ci};
    u64 end[3] = {start[0] + ck < slices ? start[0] + ck : slices, start[1] + cj < rows ? start[1] + cj : rows,
                  start[2] + ci < columns ? start[2] + ci : columns};
    u64 low_at, high_at;
    if (kind == 3 || kind == 4) {
        extremes<double>(voxels, kind, start, end, rows, columns, &low_at, &high_at);
    } else {
        extremes<float>(voxels, kind, start, end, rows, columns, &low_at, &high_at);
    }
    copy(least, at, voxels, low_at, size);
    copy(greatest, at, voxels, high_at, size);
}
