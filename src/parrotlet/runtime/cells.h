/* One step's sums come in; the new state of the cells of a layer goes out.
 * Included once for each instruction set. Formulas are torch's (gate order lstm i f g o, gru r z n). */

/* x[i] = function(x[i]) for n values (a multiple of 16). */
static TARGET void NAME(apply)(int64_t function, float *x, int64_t n) {
    int64_t i;
    switch (function) {
    case PL_TANH:
        for (i = 0; i < n; i++) x[i] = NAME(tangent)(x[i]);
        break;
    case PL_SIGMOID:
        for (i = 0; i < n; i++) x[i] = NAME(sigmoid)(x[i]);
        break;
    case PL_RELU:
        for (i = 0; i < n; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
        break;
    case PL_HARD_SIGMOID: /* Keras 3 */
        for (i = 0; i < n; i++) x[i] = NAME(within)(FUSED(x[i], 1.0f / 6.0f, 0.5f), 0.0f, 1.0f);
        break;
    case PL_HARD_SIGMOID_KERAS2:
        for (i = 0; i < n; i++) x[i] = NAME(within)(FUSED(x[i], 0.2f, 0.5f), 0.0f, 1.0f);
        break;
    default: break; /* linear */
    }
}

static TARGET void NAME(rnn_cell)(const pl_layer *layer, float *gates, float *hidden) {
    NAME(apply)(layer->activation, gates, layer->padded);
    memcpy(hidden, gates, (size_t)layer->padded * sizeof(float));
}

/* sigmoid and tanh for all: over common denominators, two divisions do for five. */
static TARGET void NAME(usual_lstm)(int64_t n, const float *restrict gates, float *restrict hidden) {
    float *restrict cell = hidden + n;
    int64_t i;
    for (i = 0; i < n; i++) {
        float under_enter, under_forget, under_fresh, under_out, under_cell;
        const float enter = NAME(sigmoid_parts)(gates[i], &under_enter);
        const float forget = NAME(sigmoid_parts)(gates[n + i], &under_forget);
        const float fresh = NAME(tangent_parts)(gates[2 * n + i], &under_fresh);
        const float out = NAME(sigmoid_parts)(gates[3 * n + i], &under_out);
        const float under_added = under_enter * under_fresh;
        const float sum = FUSED(forget * cell[i], under_added, enter * fresh * under_forget);
        const float now = 0.5f * sum / (under_forget * under_added);
        const float shown = NAME(tangent_parts)(now, &under_cell);
        cell[i] = now;
        hidden[i] = 0.5f * out * shown / (under_out * under_cell);
    }
}

static TARGET void NAME(lstm_cell)(const pl_layer *layer, float *restrict gates, float *restrict hidden) {
    const int64_t n = layer->padded;
    float *restrict cell = hidden + n;
    int64_t i;
    if (layer->gate == PL_SIGMOID && layer->activation == PL_TANH) {
        NAME(usual_lstm)(n, gates, hidden);
        return;
    }
    NAME(apply)(layer->gate, gates, 2 * n);
    NAME(apply)(layer->activation, gates + 2 * n, n);
    NAME(apply)(layer->gate, gates + 3 * n, n);
    for (i = 0; i < n; i++) {
        cell[i] = FUSED(gates[n + i], cell[i], gates[i] * gates[2 * n + i]);
        hidden[i] = cell[i];
    }
    NAME(apply)(layer->activation, hidden, n);
    for (i = 0; i < n; i++) hidden[i] *= gates[3 * n + i];
}

/* The new gate's sums are complete in gates + 2n but for its activation; reset and update are applied already. */
static TARGET void NAME(gru_end)(const pl_layer *layer, float *restrict gates, float *restrict hidden) {
    const int64_t n = layer->padded;
    int64_t i;
    NAME(apply)(layer->activation, gates + 2 * n, n);
    for (i = 0; i < n; i++) hidden[i] = FUSED(gates[n + i], hidden[i] - gates[2 * n + i], gates[2 * n + i]);
}

/* sums[r]: over the input; gates[r]: product of the state, with the sums over the input but for the new gate. */
static TARGET void NAME(gru_cell)(const pl_layer *layer, const pl_direction *way, const pl_work *work, int64_t rows,
                                  const float *const *sums, float *const *gates, float *const *hidden) {
    const int64_t n = layer->padded;
    const float *from[PL_ROWS], *start[PL_ROWS];
    float *to[PL_ROWS];
    int64_t r, i;
    for (r = 0; r < rows; r++) {
        float *restrict gate = gates[r];
        const float *restrict fresh = sums[r] + 2 * n, *restrict before = hidden[r];
        NAME(apply)(layer->gate, gate, 2 * n);
        from[r] = gate;
        start[r] = fresh;
        to[r] = gate + 2 * n;
        if (way->candidate.weights)
            for (i = 0; i < n; i++) gate[i] *= before[i];
        else
            for (i = 0; i < n; i++) gate[2 * n + i] = FUSED(gate[i], gate[2 * n + i], fresh[i]);
    }
    if (way->candidate.weights) NAME(product)(&way->candidate, work, rows, from, start, to);
    for (r = 0; r < rows; r++) NAME(gru_end)(layer, gates[r], hidden[r]);
}

/* One step of one direction of a layer, for rows side by side: sums over the input, states (hidden, and lstm: cell). */
static TARGET void NAME(cell_step)(const pl_layer *layer, const pl_direction *way, pl_work *work, int64_t rows,
                                   const float *const *sums, float *const *state) {
    const int64_t n = layer->padded;
    const float *hidden[PL_ROWS], *start[PL_ROWS];
    float *gates[PL_ROWS];
    int64_t r;
    for (r = 0; r < rows; r++) {
        gates[r] = work->gates + r * layer->sums;
        hidden[r] = state[r];
        start[r] = sums[r];
        if (way->recurrent_bias) {
            memcpy(gates[r], sums[r], (size_t)(2 * n) * sizeof(float));
            memcpy(gates[r] + 2 * n, way->recurrent_bias, (size_t)n * sizeof(float));
            start[r] = gates[r];
        }
    }
    NAME(product)(&way->recurrent, work, rows, hidden, start, gates);
    if (layer->kind == PL_GRU) NAME(gru_cell)(layer, way, work, rows, sums, gates, state);
    for (r = 0; r < rows; r++) {
        if (layer->kind == PL_LSTM) NAME(lstm_cell)(layer, gates[r], state[r]);
        else if (layer->kind == PL_RNN) NAME(rnn_cell)(layer, gates[r], state[r]);
    }
}

/* x becomes (x - mean) / sqrt(variance + 1e-5) * weight + bias over its first n values. */
static TARGET void NAME(normalise)(float *x, const float *weight, const float *bias, int64_t n) {
    double sum = 0, squares = 0;
    float mean, scale;
    int64_t i;
    for (i = 0; i < n; i++) sum += (double)x[i];
    mean = (float)(sum / (double)n);
    for (i = 0; i < n; i++) squares += (double)(x[i] - mean) * (double)(x[i] - mean);
    scale = (float)(1.0 / sqrt(squares / (double)n + 1e-5));
    for (i = 0; i < n; i++) x[i] = FUSED((x[i] - mean) * scale, weight[i], bias[i]);
}
