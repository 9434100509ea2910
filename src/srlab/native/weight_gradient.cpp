// The gradient of a convolution's weights in bf16, for training on a processor:
// srlab.models.convolution.
//
// For each weight it is the sum over all pixels of what the convolution saw there, times the
// gradient of what it gave. AVX-512 multiplies and adds bf16 by pairs, here of two pixels one behind
// another; so the values of pairs are brought together first ("packed"). Sums are float32.
//
// The convolution is K x K, K being 1 or 3, with as much padding as keeps the size. Rows of pixels
// are packed one behind another, each with K / 2 zeros behind it, which are the padding at its end
// and at the start of the next. So what a weight sees of the image lies at one distance from the
// gradient, whatever the pixel.

#ifdef __clang__
#error "to be compiled by GCC: threads of another OpenMP would stand in the way of PyTorch's"
#endif

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <immintrin.h>
#include <memory>
#include <omp.h>

namespace {

constexpr int kLanes = 16;   // weights in a vector: those of so many inputs
constexpr int kOutputs = 8;  // whose sums are computed side by side, so that all stay in registers

struct bf16 {
    uint16_t bits;
};

using Pair = uint32_t;  // of two pixels' values of a channel, the first in the lower half

// Of convolution.py. x: (images, height, width, inputs), of_y: the same with outputs, of_weight:
// (outputs, K, K, inputs), of_bias: (outputs).
struct Arguments {
    const bf16 *x, *of_y;
    float *of_weight, *of_bias;
    int64_t images, height, width, inputs, outputs, threads;
};

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

template <typename T>
using Array = std::unique_ptr<T[], Free>;

template <typename T>
Array<T> aligned(int64_t size) {
    constexpr int64_t line = 64;
    const int64_t lines = (size * sizeof(T) + line - 1) / line;
    return Array<T>(static_cast<T*>(std::aligned_alloc(line, lines * line)));
}

inline __m512i load(const bf16* from) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

// Some rows of an image, of which some lie outside of it.
struct Rows {
    const bf16* image;  // from the first of its channels that are packed
    int64_t channels, height, width;
    int64_t top, bottom;
    int zeros_first;   // in front of the first row
    int zeros_behind;  // behind each row
};

alignas(64) const bf16 kZeros[4 * kLanes] = {};

// Calls body(its channels) for one pixel behind another, and for two zeros.
template <typename Body>
void each_pixel(const Rows& rows, Body body) {
    for (int x = 0; x < rows.zeros_first; ++x) body(kZeros);
    for (int64_t y = rows.top; y < rows.bottom; ++y) {
        const bool inside = 0 <= y && y < rows.height;
        const bf16* pixel = inside ? rows.image + y * rows.width * rows.channels : kZeros;
        const int64_t step = inside ? rows.channels : 0;
        for (int64_t x = 0; x < rows.width; ++x, pixel += step) body(pixel);
        for (int x = 0; x < rows.zeros_behind; ++x) body(kZeros);
    }
    for (int x = 0; x < 2; ++x) body(kZeros);
}

// Packs N vectors of channels, (N, stride, kLanes): of each pixel and the next, or of the even
// ones and the next.
template <bool kEach, int N>
void pack(const Rows& rows, Pair* to, int64_t stride) {
    const bf16* first = nullptr;
    each_pixel(rows, [&](const bf16* second) {
        if (first) {
            for (int n = 0; n < N; ++n)
                _mm512_store_si512(
                    to + n * stride * kLanes,
                    _mm512_or_si512(load(first + n * kLanes),
                                    _mm512_slli_epi32(load(second + n * kLanes), 16)));
            to += kLanes;
        }
        first = kEach || !first ? second : nullptr;
    });
}

// Pixels that will be packed next, and are fetched meanwhile.
struct Ahead {
    const bf16 *pixel, *end;
    int64_t channels;

    void fetch() {
        if (pixel >= end) return;
        constexpr int line = 32;  // channels
        for (int channel : {0, line}) __builtin_prefetch(pixel + channel, 0, 2);
        pixel += channels;
    }
};

// Adds up what some pairs of pixels give: the sums of V vectors of inputs and of K weights in a row
// of the kernel, (V, K, kOutputs, kLanes).
template <int K, int V>
void add(float* sums, bool first, const Pair* x, int64_t stride, const Pair* of_y, int64_t begin,
         int64_t end, Ahead& ahead) {
    __m512 sum[V * K][kOutputs];
    for (int n = 0; n < V * K; ++n)
        for (int o = 0; o < kOutputs; ++o)
            sum[n][o] = first ? _mm512_setzero_ps()
                              : _mm512_load_ps(sums + (n * kOutputs + o) * kLanes);
    Ahead soon = ahead;
    for (int64_t pair = begin; pair < end; ++pair) {
        if (pair % 4 == 0) soon.fetch();
        __m512bh seen[V * K];
        for (int n = 0; n < V * K; ++n) {
            const int64_t pixel = K == 1 ? pair : 2 * pair + n % K;
            seen[n] = (__m512bh)_mm512_load_si512(x + (n / K * stride + pixel) * kLanes);
        }
        for (int o = 0; o < kOutputs; ++o) {
            const __m512bh gradient = (__m512bh)_mm512_set1_epi32(of_y[pair * kLanes + o]);
            for (int n = 0; n < V * K; ++n)
                sum[n][o] = _mm512_dpbf16_ps(sum[n][o], seen[n], gradient);
        }
    }
    ahead = soon;
    for (int n = 0; n < V * K; ++n)
        for (int o = 0; o < kOutputs; ++o)
            _mm512_store_ps(sums + (n * kOutputs + o) * kLanes, sum[n][o]);
}

// The sums over pairs of what is packed, of each of its channels.
void add_bias(float* sums, bool first, const Pair* of_y, int64_t pairs) {
    __m512 sum = first ? _mm512_setzero_ps() : _mm512_load_ps(sums);
    const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    for (int64_t pair = 0; pair < pairs; ++pair)
        sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_load_si512(of_y + pair * kLanes), ones);
    _mm512_store_ps(sums, sum);
}

// Images are cut into blocks of rows, of which each thread has its own, and its own sums. N vectors
// of inputs are packed at once.
template <int K, int N>
void weight_gradient(const Arguments& a) {
    constexpr int kMargin = K / 2;
    constexpr int V = K == 1 ? 2 : 1;
    constexpr int64_t kTile = K * V * kOutputs * kLanes;
    // So much of both images stays in the second cache; pixels without neighbours soon make room.
    constexpr int64_t kBytes = K == 1 ? 3 << 15 : 1 << 19;
    constexpr int64_t kRows = 4;  // and no fewer, since neighbours above and below come on top

    const int64_t pitch = a.width + kMargin;
    const int64_t bytes = pitch * ((K == 1 ? 2 : 4) * N * kLanes + 2 * a.outputs);
    const int64_t most = std::clamp(kBytes / bytes, std::min(kRows, a.height), a.height);
    const int64_t wanted = (a.threads + a.images - 1) / a.images;  // else a thread would have none
    const int64_t blocks =
        std::max((a.height + most - 1) / most, std::min(wanted, a.height / kRows));
    const int64_t vectors = a.inputs / kLanes, outputs = a.outputs / kOutputs;
    const int64_t tiles = vectors / V * outputs * K;  // in this order
    const int64_t size = tiles * kTile + a.outputs;   // of a thread's sums: weights, biases
    const auto all = aligned<float>(a.threads * size);

#pragma omp parallel num_threads(a.threads)
    {
        const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
        const int64_t begin = a.images * blocks * thread / threads;
        const int64_t end = a.images * blocks * (thread + 1) / threads;
        float* const own = all.get() + thread * size;
        if (begin == end) std::fill_n(own, size, 0.0f);

        // Odd, since caches keep few lines at the same distance from a power of two.
        const int64_t y_stride = (most * pitch / 2 + 1) | 1;
        const int64_t x_stride = K == 1 ? y_stride : ((most + 2) * pitch + 2) | 1;
        const auto x = aligned<Pair>(N * x_stride * kLanes);
        const auto of_y = aligned<Pair>(a.outputs * y_stride);
        for (int64_t item = begin; item < end; ++item) {
            const bool first = item == begin;
            const int64_t pixels = item / blocks * a.height * a.width;
            const int64_t top = a.height * (item % blocks) / blocks;
            const int64_t bottom = a.height * (item % blocks + 1) / blocks;
            const int64_t pairs = ((bottom - top) * pitch + 1) / 2;
            for (int64_t o = 0; o < a.outputs; o += kLanes) {
                const Rows given{a.of_y + pixels * a.outputs + o, a.outputs, a.height, a.width,
                                 top, bottom, 0, kMargin};
                pack<false, 1>(given, of_y.get() + o * y_stride, y_stride);
                add_bias(own + tiles * kTile + o, first, of_y.get() + o * y_stride, pairs);
            }
            const bf16* const image = a.x + pixels * a.inputs;
            const int64_t row = a.width * a.inputs;
            float* sums = own;
            for (int64_t i = 0; i < a.inputs; i += N * kLanes) {
                const Rows seen{image + i, a.inputs, a.height, a.width,
                                top - kMargin, bottom + kMargin, kMargin, kMargin};
                pack<K != 1, N>(seen, x.get(), x_stride);
                const bool last = i + N * kLanes == a.inputs;
                const bf16* const next =
                    image + (last ? bottom * row : top * row + i + N * kLanes);
                Ahead ahead{next, last && item + 1 == end ? next : next + (bottom - top) * row,
                            a.inputs};
                for (int v = 0; v < N; v += V)
                    for (int64_t o = 0; o < a.outputs; o += kOutputs)
                        for (int k = 0; k < K; ++k, sums += kTile) {
                            // What lies above or below the image gives nothing.
                            const bool above = k < kMargin && top == 0;
                            const bool below = k > kMargin && bottom == a.height;
                            add<K, V>(
                                sums, first, x.get() + (v * x_stride + k * pitch) * kLanes,
                                x_stride, of_y.get() + o / kLanes * kLanes * y_stride + o % kLanes,
                                above ? pitch / 2 : 0, below ? pairs - pitch / 2 : pairs, ahead);
                        }
            }
        }
#pragma omp barrier

        // The sums of all threads, always in their order, so that the same comes out.
        const auto total = [&](int64_t at) {
            __m512 sum = _mm512_load_ps(all.get() + at);
            for (int64_t other = 1; other < threads; ++other)
                sum = _mm512_add_ps(sum, _mm512_load_ps(all.get() + other * size + at));
            return sum;
        };
#pragma omp for
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t row = tile % K, output = tile / K % outputs * kOutputs;
            const int64_t input = tile / K / outputs * V * kLanes;
            for (int n = 0; n < V * K; ++n)
                for (int o = 0; o < kOutputs; ++o)
                    _mm512_storeu_ps(
                        a.of_weight + (((output + o) * K + row) * K + n % K) * a.inputs + input +
                            n / K * kLanes,
                        total(tile * kTile + (n * kOutputs + o) * kLanes));
        }
#pragma omp for
        for (int64_t o = 0; o < a.outputs; o += kLanes)
            _mm512_storeu_ps(a.of_bias + o, total(tiles * kTile + o));
    }
}

// As many as divide the inputs.
template <int K>
void of_vectors(const Arguments& a) {
    switch (a.inputs / kLanes % 4) {
        case 0: return weight_gradient<K, 4>(a);
        case 2: return weight_gradient<K, 2>(a);
        default:
            if constexpr (K == 3) weight_gradient<K, 1>(a);
    }
}

}  // namespace

extern "C" void weight_gradient_1(const Arguments* a) {
    Arguments flat = *a;  // pixels do not see their neighbours: one image of all rows
    flat.height *= flat.images;
    flat.images = 1;
    of_vectors<1>(flat);
}

extern "C" void weight_gradient_3(const Arguments* a) { of_vectors<3>(*a); }
