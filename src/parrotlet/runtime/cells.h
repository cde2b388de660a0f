/* One layer's sums come in; the new state of its cells and what leaves the layer go out.
 * Included once for each instruction set. Formulas are torch's (gate order lstm i f g o, gru r z n). */

static TARGET void NAME(rnn_cell)(const float *gates, float *hidden, int64_t n) {
    int64_t i;
    for (i = 0; i < n; i++) hidden[i] = NAME(tangent)(gates[i]);
}

static TARGET void NAME(lstm_cell)(const float *restrict gates, float *restrict hidden, float *restrict cell,
                                   int64_t n) {
    int64_t i;
    for (i = 0; i < n; i++) {
        float in = NAME(sigmoid)(gates[i]), forget = NAME(sigmoid)(gates[n + i]);
        float new_value = NAME(tangent)(gates[2 * n + i]), out = NAME(sigmoid)(gates[3 * n + i]);
        float kept = FUSED(forget, cell[i], in * new_value);
        cell[i] = kept;
        hidden[i] = out * NAME(tangent)(kept);
    }
}

/* fresh: the new gate's sums over the input; gates + 2n: its sums over the state, which the reset gate scales. */
static TARGET void NAME(gru_cell)(const float *restrict gates, const float *restrict fresh, float *restrict hidden,
                                  int64_t n) {
    int64_t i;
    for (i = 0; i < n; i++) {
        float reset = NAME(sigmoid)(gates[i]), update = NAME(sigmoid)(gates[n + i]);
        float new_value = NAME(tangent)(FUSED(reset, gates[2 * n + i], fresh[i]));
        hidden[i] = FUSED(update, hidden[i] - new_value, new_value);
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

/* The state of one layer of one row: hidden first, then (lstm) the cell. */
INLINE TARGET float *NAME(state_of)(const pl_model *model, const pl_work *work, int64_t row, int64_t layer) {
    return work->state + (row * model->layers + layer) * 2 * model->padded;
}

/* One step of one layer: starts[r] are the sums over the input of row slots[r], x[r] what enters and then leaves. */
static TARGET void NAME(layer_step)(const pl_model *model, pl_work *work, int64_t index, int64_t rows,
                                    const int64_t *slots, const float *const *starts, float *const *x) {
    const pl_layer *layer = &model->layer[index];
    const int64_t n = model->padded, width = model->gates * n;
    const float *hidden[PL_ROWS], *begin[PL_ROWS];
    float *gates[PL_ROWS];
    int64_t r, i;
    for (r = 0; r < rows; r++) {
        hidden[r] = NAME(state_of)(model, work, slots[r], index);
        gates[r] = work->gates + r * width;
        begin[r] = starts[r];
        if (model->kind == PL_GRU) {
            memcpy(gates[r], starts[r], (size_t)(2 * n) * sizeof(float));
            memcpy(gates[r] + 2 * n, layer->recurrent_bias, (size_t)n * sizeof(float));
            begin[r] = gates[r];
        }
    }
    NAME(product)(layer->recurrent, model->hidden, width, rows, hidden, begin, gates);
    for (r = 0; r < rows; r++) {
        float *state = NAME(state_of)(model, work, slots[r], index), *leaving = x[r];
        if (model->kind == PL_LSTM) NAME(lstm_cell)(gates[r], state, state + n, n);
        else if (model->kind == PL_GRU) NAME(gru_cell)(gates[r], starts[r] + 2 * n, state, n);
        else NAME(rnn_cell)(gates[r], state, n);
        if (model->residual && index > 0)
            for (i = 0; i < n; i++) leaving[i] += state[i];
        else
            memcpy(leaving, state, (size_t)n * sizeof(float));
    }
}

/* Reads `steps` ids for each of `rows` rows: ids is (rows, steps), slots[r] the row of the state; leaves what goes to
 * the output layer in work->x, item r * steps + t. Sums over the input are taken for all items at once. */
static TARGET void NAME(advance)(const pl_model *model, pl_work *work, int64_t rows, int64_t steps,
                                 const int64_t *slots, const int64_t *ids) {
    const int64_t items = rows * steps, width = model->gates * model->padded;
    const float *from[PL_ITEMS], *start[PL_ITEMS], *sums[PL_ITEMS], *starts[PL_ROWS];
    float *to[PL_ITEMS], *x[PL_ROWS];
    int64_t index, item, t, r;
    for (index = 0; index < model->layers; index++) {
        const pl_layer *layer = &model->layer[index];
        if (layer->input) {
            int64_t depth = index == 0 ? model->embedding : model->hidden;
            for (item = 0; item < items; item++) {
                from[item] = index == 0 ? model->table + ids[item] * model->table_stride
                                        : work->x + item * work->width;
                start[item] = layer->input_bias;
                sums[item] = to[item] = work->z + item * width;
            }
            NAME(product)(layer->input, depth, width, items, from, start, to);
        } else {
            for (item = 0; item < items; item++) sums[item] = model->table + ids[item] * model->table_stride;
        }
        for (t = 0; t < steps; t++) {
            for (r = 0; r < rows; r++) {
                starts[r] = sums[r * steps + t];
                x[r] = work->x + (r * steps + t) * work->width;
            }
            NAME(layer_step)(model, work, index, rows, slots, starts, x);
        }
        if (layer->norm_weight)
            for (item = 0; item < items; item++)
                NAME(normalise)(work->x + item * work->width, layer->norm_weight, layer->norm_bias, model->hidden);
    }
}

/* The output layer of up to PL_ROWS items from `first` on: each out is (vocabulary_padded). */
static TARGET void NAME(project)(const pl_model *model, const pl_work *work, int64_t first, int64_t count,
                                 float *const *out) {
    const float *from[PL_ROWS], *start[PL_ROWS];
    int64_t i;
    for (i = 0; i < count; i++) {
        from[i] = work->x + (first + i) * work->width;
        start[i] = model->output_bias;
    }
    NAME(product)(model->output, model->hidden, model->vocabulary_padded, count, from, start, out);
}
