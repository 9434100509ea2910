// BN and ReLU in one, forward and backward, for training on a processor: srlab.models.norm_relu.
//
// Images are rows of channels (channels last), in float32 or bf16. They are computed with in
// float32; what is summed over rows is so over some of them, and then in float64.
// What is normalised lies in one or several sources, of W channels each; the C channels of the
// result are those of all sources, one behind another. N vectors are computed with side by side,
// so that none waits for the one before it.

#ifdef __clang__
#error "to be compiled by GCC: threads of another OpenMP would stand in the way of PyTorch's"
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <omp.h>

namespace {

constexpr int kLanes = 16;   // channels in a vector
constexpr int kRows = 128;   // rows that are summed in float32, and stay in the nearest cache

typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Mask __attribute__((vector_size(4 * kLanes)));
typedef uint32_t Words __attribute__((vector_size(4 * kLanes)));
typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));

struct bf16 {
    uint16_t bits;
};

// Of norm_relu.py. Sources and their gradients: some (rows, W); y and its gradient: (rows, C);
// sums: (threads, 2, C); the others: (C).
template <typename T>
struct Arguments {
    const T* const* x;
    int64_t sources, width, rows;
    const float *weight, *bias;
    float *mean, *inverse_std;
    double* sums;
    int64_t threads;
    // Forward alone.
    float *running_mean, *running_var;
    double momentum, epsilon;
    T* y;
    // Backward alone.
    const T* of_y;
    const T* const* passed;  // gradients to add, or null
    T* const* of_x;
    float *of_weight, *of_bias;

    int64_t channels() const { return sources * width; }
};

inline Floats load(const float* from) {
    Floats values;
    std::memcpy(&values, from, sizeof values);
    return values;
}

inline Floats load(const bf16* from) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    return (Floats)(__builtin_convertvector(halves, Words) << 16);
}

inline void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

inline void store(bf16* to, Floats values) {
    Words words = (Words)values;
    words += 0x7fff + ((words >> 16) & 1);  // to the nearest, halves to the even one
    const Halves halves = __builtin_convertvector(words >> 16, Halves);
    std::memcpy(to, &halves, sizeof halves);
}

// The value where ReLU passes it, else 0. What is not a number passes, as with PyTorch.
inline Floats passing(Floats value, Floats where_positive) {
    const Mask passes = ~(where_positive <= 0);
    return (Floats)(passes & (Mask)value);
}

// What BN does to N vectors of channels.
template <int N>
struct Line {
    Floats mean[N], scale[N], factor[N], bias[N];

    template <typename T>
    Line(const Arguments<T>& a, int64_t channel) {
        for (int n = 0; n < N; ++n, channel += kLanes) {
            mean[n] = load(a.mean + channel);
            scale[n] = load(a.inverse_std + channel);
            factor[n] = load(a.weight + channel) * scale[n];
            bias[n] = load(a.bias + channel);
        }
    }

    Floats at(int n, Floats x) const { return (x - mean[n]) * factor[n] + bias[n]; }
};

// Calls body(its channel, channel of C, first row, behind the last) for all parts of a source that
// the calling thread is to do: N vectors of some rows.
template <int N, typename T, typename Body>
void each_part(const Arguments<T>& a, int64_t source, Body body) {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t end = a.rows * (thread + 1) / threads;
    for (int64_t row = a.rows * thread / threads; row < end; row += kRows)
        for (int64_t channel = 0; channel < a.width; channel += N * kLanes)
            body(channel, source * a.width + channel, row, std::min(row + kRows, end));
}

// Two sums over rows for each channel of a source: every thread's own, then their total.
class Sums {
  public:
    template <typename T>
    Sums(const Arguments<T>& a, int64_t source) : sums_(a.sums), channels_(a.channels()) {
        for (int which : {0, 1}) std::fill_n(own(which, source * a.width), a.width, 0.0);
    }

    void add(int which, int64_t channel, const Floats* values, int count) {
        double* const sums = own(which, channel);
        for (int lane = 0; lane < count * kLanes; ++lane)
            sums[lane] += values[lane / kLanes][lane % kLanes];
    }

    // Always in the order of the threads, so that the same comes out.
    double total(int which, int64_t channel) const {
        double sum = 0;
        for (int64_t thread = 0; thread < omp_get_num_threads(); ++thread)
            sum += sums_[(2 * thread + which) * channels_ + channel];
        return sum;
    }

  private:
    double* own(int which, int64_t channel) {
        return sums_ + (2 * omp_get_thread_num() + which) * channels_ + channel;
    }

    double* const sums_;
    const int64_t channels_;
};

// A source is read for its sums, and again as long as it is in a cache.
template <int N, typename T>
void forward(const Arguments<T>& a) {
    const int64_t width = a.width, channels = a.channels();
#pragma omp parallel num_threads(a.threads)
    for (int64_t source = 0; source < a.sources; ++source) {
        Sums sums(a, source);
        // Squares of differences from any pixel lose less than squares do.
        each_part<N>(a, source, [&](int64_t c, int64_t channel, int64_t row, int64_t end) {
            const T* const x = a.x[source] + c;
            Floats pivot[N], sum[N] = {}, squares[N] = {};
            for (int n = 0; n < N; ++n) pivot[n] = load(x + n * kLanes);
            for (; row < end; ++row)
                for (int n = 0; n < N; ++n) {
                    const Floats difference = load(x + row * width + n * kLanes) - pivot[n];
                    sum[n] += difference;
                    squares[n] += difference * difference;
                }
            sums.add(0, channel, sum, N);
            sums.add(1, channel, squares, N);
        });
#pragma omp barrier
#pragma omp for
        for (int64_t c = 0; c < width; ++c) {
            const int64_t channel = source * width + c, lane = c % kLanes;
            const Floats pivot = load(a.x[source] + c - lane);
            const double shift = sums.total(0, channel) / a.rows;
            const double variance =
                std::max(sums.total(1, channel) / a.rows - shift * shift, 0.0);
            const double unbiased = variance * a.rows / (a.rows - 1);
            a.mean[channel] = pivot[lane] + shift;
            a.inverse_std[channel] = 1 / std::sqrt(variance + a.epsilon);
            a.running_mean[channel] += a.momentum * (a.mean[channel] - a.running_mean[channel]);
            a.running_var[channel] += a.momentum * (unbiased - a.running_var[channel]);
        }
        each_part<N>(a, source, [&](int64_t c, int64_t channel, int64_t row, int64_t end) {
            const T* const x = a.x[source] + c;
            T* const y = a.y + channel;
            const Line<N> line(a, channel);
            for (; row < end; ++row)
                for (int n = 0; n < N; ++n) {
                    const Floats value = line.at(n, load(x + row * width + n * kLanes));
                    store(y + row * channels + n * kLanes, passing(value, value));
                }
        });
    }
}

template <int N, typename T>
void backward(const Arguments<T>& a) {
    const int64_t width = a.width, channels = a.channels();
#pragma omp parallel num_threads(a.threads)
    for (int64_t source = 0; source < a.sources; ++source) {
        Sums sums(a, source);
        each_part<N>(a, source, [&](int64_t c, int64_t channel, int64_t row, int64_t end) {
            const T *const x = a.x[source] + c, *const of_y = a.of_y + channel;
            const Line<N> line(a, channel);
            Floats sum[N] = {}, products[N] = {};
            for (; row < end; ++row)
                for (int n = 0; n < N; ++n) {
                    const Floats value = load(x + row * width + n * kLanes);
                    const Floats gradient = passing(
                        load(of_y + row * channels + n * kLanes), line.at(n, value));
                    sum[n] += gradient;
                    products[n] += gradient * (value - line.mean[n]);
                }
            sums.add(0, channel, sum, N);
            sums.add(1, channel, products, N);
        });
#pragma omp barrier
#pragma omp for
        for (int64_t channel = source * width; channel < (source + 1) * width; ++channel) {
            a.of_bias[channel] = sums.total(0, channel);
            a.of_weight[channel] = sums.total(1, channel) * a.inverse_std[channel];
        }
        each_part<N>(a, source, [&](int64_t c, int64_t channel, int64_t row, int64_t end) {
            const T *const x = a.x[source] + c, *const of_y = a.of_y + channel;
            const T* const passed = a.passed[source] ? a.passed[source] + c : nullptr;
            T* const of_x = a.of_x[source] + c;
            const Line<N> line(a, channel);
            Floats slope[N], level[N];
            for (int n = 0; n < N; ++n) {
                const Floats share = line.factor[n] / (float)a.rows;
                slope[n] = -share * line.scale[n] * load(a.of_weight + channel + n * kLanes);
                level[n] = -share * load(a.of_bias + channel + n * kLanes);
            }
            for (; row < end; ++row)
                for (int n = 0; n < N; ++n) {
                    const int64_t place = row * width + n * kLanes;
                    const Floats value = load(x + place);
                    const Floats gradient = passing(
                        load(of_y + row * channels + n * kLanes), line.at(n, value));
                    Floats result = gradient * line.factor[n] +
                                    (value - line.mean[n]) * slope[n] + level[n];
                    if (passed) result += load(passed + place);
                    store(of_x + place, result);
                }
        });
    }
}

template <typename T>
void forward(const Arguments<T>& a) {
    const int64_t vectors = a.width / kLanes;
    if (vectors % 4 == 0) forward<4>(a);
    else if (vectors % 3 == 0) forward<3>(a);
    else if (vectors % 2 == 0) forward<2>(a);
    else forward<1>(a);
}

template <typename T>
void backward(const Arguments<T>& a) {
    const int64_t vectors = a.width / kLanes;
    if (vectors % 4 == 0) backward<4>(a);
    else if (vectors % 3 == 0) backward<3>(a);
    else if (vectors % 2 == 0) backward<2>(a);
    else backward<1>(a);
}

}  // namespace

extern "C" {
void forward_float32(const Arguments<float>* a) { forward(*a); }
void forward_bfloat16(const Arguments<bf16>* a) { forward(*a); }
void backward_float32(const Arguments<float>* a) { backward(*a); }
void backward_bfloat16(const Arguments<bf16>* a) { backward(*a); }
}
