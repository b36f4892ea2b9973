// decide.cu: CUDA twin of decide.rs, one thread per voxel.

// The first channel with the greatest score. `channels` holds the addresses of their scores.
extern "C" __global__ void decide_strongest(u8 *winner, const u64 *channels, u32 count, u64 voxels) {
    u64 at = thread_index();
    if (at >= voxels) return;
    float best = __int_as_float(0xff800000);  // minus infinity
    u8 found = 0;
    for (u32 number = 0; number < count; number++) {
        float score = ((const float *)channels[number])[at];
        found = score > best ? (u8)number : found;
        best = score > best ? score : best;
    }
    winner[at] = found;
}
