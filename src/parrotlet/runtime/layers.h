/* A block of rows and their ids come in; what enters the output layer goes out: the layers, one after the other.
 * Included once for each instruction set, after cells.h. An item is what is known of one row at one step. */

INLINE TARGET float *NAME(item)(const pl_model *model, const pl_work *work, const pl_block *block, int64_t row,
                                int64_t t) {
    return work->items + (block->slot[row] * block->steps + t) * model->width;
}

INLINE TARGET float *NAME(state_of)(const pl_model *model, const pl_work *work, int64_t slot, const pl_layer *layer) {
    return work->state + slot * model->state + layer->state;
}

/* What enters a layer: columns of the item, or for the first layer what the id brings. */
INLINE TARGET const float *NAME(entering)(const pl_model *model, const pl_work *work, const pl_layer *layer,
                                          const pl_block *block, int64_t row, int64_t t) {
    if (layer == model->layer) return model->raw_table + block->ids[row][t] * model->raw;
    return NAME(item)(model, work, block, row, t) + layer->from;
}

/* The step of a row that is the s-th to be read in a direction. */
INLINE TARGET int64_t NAME(step)(const pl_block *block, int64_t row, int direction, int64_t s) {
    return block->begin[row] + (direction ? block->count[row] - 1 - s : s);
}

/* Sums over the input of one direction for the steps that are the `from`-th to the `to`-th (exclusive) to be read: of
 * row r at s they lie at (s - from) * rows + r. */
static TARGET void NAME(input_sums)(const pl_model *model, pl_work *work, const pl_layer *layer, int direction,
                                    const pl_block *block, int64_t from, int64_t to) {
    const pl_direction *way = &layer->direction[direction];
    const float *x[PL_ITEMS], *start[PL_ITEMS];
    float *out[PL_ITEMS];
    int64_t count = 0, s, r;
    for (s = from; s < to; s++)
        for (r = 0; r < block->rows; r++) {
            if (s >= block->count[r]) continue;
            x[count] = NAME(entering)(model, work, layer, block, r, NAME(step)(block, r, direction, s));
            start[count] = way->input_bias;
            out[count++] = work->sums + ((s - from) * block->rows + r) * layer->sums;
        }
    NAME(product)(&way->input, work, count, x, start, out);
}

/* What leaves a recurrent layer at one step, from its new state. */
INLINE TARGET void NAME(leave)(const pl_layer *layer, const float *state, float *item, int direction) {
    float *restrict to = item + layer->to + direction * layer->padded;
    const float *restrict from = item + layer->from;
    int64_t i;
    if (layer->residual)
        for (i = 0; i < layer->units; i++) to[i] = state[i] + from[i];
    else
        memcpy(to, state, (size_t)layer->units * sizeof(float)); /* what fills up the rest stays zero */
}

/* One direction of a recurrent layer over all steps. */
static TARGET void NAME(recur)(const pl_model *model, pl_work *work, const pl_layer *layer, int direction,
                               const pl_block *block) {
    const pl_direction *way = &layer->direction[direction];
    const int64_t chunk = PL_ITEMS / block->rows;
    const float *sums[PL_ROWS];
    float *state[PL_ROWS], *item[PL_ROWS];
    int64_t begin = 0, s, r, k;
    for (s = 0;; s++) {
        int64_t active = 0;
        if (s % chunk == 0) begin = s;
        if (s == begin && way->input.weights) NAME(input_sums)(model, work, layer, direction, block, s, s + chunk);
        for (r = 0; r < block->rows; r++) {
            const int64_t t = NAME(step)(block, r, direction, s), last = block->begin[r] + block->count[r] - 1;
            if (s >= block->count[r]) continue;
            sums[active] = way->input.weights ? work->sums + ((s - begin) * block->rows + r) * layer->sums
                                      : model->table + block->ids[r][t] * model->table_stride +
                                            direction * layer->sums;
            state[active] = NAME(state_of)(model, work, block->slot[r], layer) + direction * 2 * layer->padded;
            item[active++] = NAME(item)(model, work, block, r, direction && layer->final ? last : t);
        }
        if (active == 0) return;
        NAME(cell_step)(layer, way, work, active, sums, state);
        for (k = 0; k < active; k++) NAME(leave)(layer, state[k], item[k], direction);
    }
}

/* The first step of a row whose dense layers and output are wanted now: of a window none but its last. */
INLINE TARGET int64_t NAME(wanted)(const pl_model *model, const pl_block *block, int64_t row) {
    return model->context ? block->steps - 1 : block->begin[row];
}

static TARGET void NAME(dense)(const pl_model *model, pl_work *work, const pl_layer *layer, const pl_block *block) {
    const pl_direction *way = &layer->direction[0];
    const float *x[PL_ITEMS], *start[PL_ITEMS];
    float *out[PL_ITEMS];
    int64_t count = 0, r, t, k;
    for (r = 0; r < block->rows; r++)
        for (t = NAME(wanted)(model, block, r); t < block->begin[r] + block->count[r]; t++) {
            out[count] = NAME(item)(model, work, block, r, t) + layer->to;
            if (way->input.weights) {
                x[count] = NAME(entering)(model, work, layer, block, r, t);
                start[count] = way->input_bias;
            } else {
                memcpy(out[count], model->table + block->ids[r][t] * model->table_stride,
                       (size_t)layer->padded * sizeof(float));
            }
            count++;
        }
    if (way->input.weights) NAME(product)(&way->input, work, count, x, start, out);
    for (k = 0; k < count; k++) NAME(apply)(layer->activation, out[k], layer->padded);
}

/* Steps that a ring of a convolution holds: those of the state, and those of a block. */
INLINE TARGET int64_t NAME(ring)(const pl_model *model) { return model->state_parts + PL_ITEMS; }

/* Where the ring keeps what entered a layer `ago` steps before step t of a block. */
INLINE TARGET float *NAME(past)(const pl_model *model, const pl_work *work, const pl_layer *layer,
                                const pl_block *block, int64_t row, int64_t t, int64_t ago) {
    const int64_t step = model->state_parts + work->read[block->slot[row]] + t - ago;
    return NAME(state_of)(model, work, block->slot[row], layer) + step % NAME(ring)(model) * layer->padded;
}

/* A causal dilated convolution with a gate, added to what enters it. */
static TARGET void NAME(convolve)(const pl_model *model, pl_work *work, const pl_layer *layer,
                                  const pl_block *block) {
    const int64_t n = layer->padded, items = block->rows * block->steps;
    const float *x[PL_ITEMS], *start[PL_ITEMS];
    float *out[PL_ITEMS];
    int64_t tap, k, i;
    for (k = 0; k < items; k++) {
        const int64_t r = k / block->steps, t = k % block->steps;
        memcpy(NAME(past)(model, work, layer, block, r, t, 0), NAME(item)(model, work, block, r, t) + layer->from,
               (size_t)n * sizeof(float));
        start[k] = layer->direction[0].input_bias;
        out[k] = work->sums + k * layer->sums;
    }
    for (tap = 0; tap < model->taps; tap++) {
        const pl_matrix matrix = pl_nth(&layer->direction[0].input, tap);
        for (k = 0; k < items; k++) {
            x[k] = NAME(past)(model, work, layer, block, k / block->steps, k % block->steps,
                              (model->taps - 1 - tap) * layer->dilation);
            if (tap) start[k] = out[k];
        }
        NAME(product)(&matrix, work, items, x, start, out);
    }
    for (k = 0; k < items; k++) {
        float *restrict item = NAME(item)(model, work, block, k / block->steps, k % block->steps);
        float *restrict gate = out[k];
        NAME(apply)(PL_TANH, gate, n);
        NAME(apply)(PL_SIGMOID, gate + n, n);
        for (i = 0; i < n; i++) item[layer->to + i] = FUSED(gate[i], gate[n + i], item[layer->from + i]);
    }
}

/* Evaluates all layers: afterwards the items of the steps that were read hold all columns. */
static TARGET void NAME(evaluate)(const pl_model *model, pl_work *work, const pl_block *block) {
    int64_t index, r, t;
    if (model->attention)
        for (r = 0; r < block->rows; r++)
            for (t = block->begin[r]; t < block->begin[r] + block->count[r]; t++)
                memcpy(NAME(item)(model, work, block, r, t), model->raw_table + block->ids[r][t] * model->raw,
                       (size_t)model->raw * sizeof(float));
    for (index = 0; index < model->layers; index++) {
        const pl_layer *layer = &model->layer[index];
        int direction;
        if (layer->kind == PL_DENSE) NAME(dense)(model, work, layer, block);
        else if (layer->kind == PL_CONVOLUTION) NAME(convolve)(model, work, layer, block);
        else
            for (direction = 0; direction < layer->directions; direction++)
                NAME(recur)(model, work, layer, direction, block);
        if (layer->norm_weight)
            for (r = 0; r < block->rows; r++)
                for (t = block->begin[r]; t < block->begin[r] + block->count[r]; t++)
                    NAME(normalise)(NAME(item)(model, work, block, r, t) + layer->to, layer->norm_weight,
                                    layer->norm_bias, layer->units);
    }
    for (r = 0; r < block->rows; r++) work->read[block->slot[r]] += block->count[r];
}

/* What is known of a window at step t: steps before the first are paddings, known beforehand. */
INLINE TARGET const float *NAME(known)(const pl_model *model, const pl_work *work, const pl_block *block, int64_t row,
                                       int64_t t) {
    return t < block->first[row] ? model->padded_items + t * model->width : NAME(item)(model, work, block, row, t);
}

/* The average of a window's items weighted by exp(item . attention), into work->average. */
static TARGET float *NAME(attend)(const pl_model *model, pl_work *work, const pl_block *block, int64_t row) {
    const int64_t begin = model->padded_items ? 0 : block->first[row], n = model->width;
    float *restrict average = work->average + row * n;
    float highest = -INFINITY, total = 0;
    int64_t t, i;
    for (t = begin; t < block->steps; t++) {
        work->chances[t] = NAME(dot)(NAME(known)(model, work, block, row, t), model->attention, n);
        highest = work->chances[t] > highest ? work->chances[t] : highest;
    }
    for (t = begin; t < block->steps; t++) {
        work->chances[t] = NAME(exponential)(work->chances[t] - highest);
        total += work->chances[t];
    }
    memset(average, 0, (size_t)n * sizeof(float));
    for (t = begin; t < block->steps; t++) {
        const float *restrict item = NAME(known)(model, work, block, row, t);
        const float chance = work->chances[t] / (total + 1e-7f);
        for (i = 0; i < n; i++) average[i] = FUSED(chance, item[i], average[i]);
    }
    return average;
}

/* What enters the output layer for each item that is wanted, by rows, then time; how many there are. */
static TARGET int64_t NAME(features)(const pl_model *model, pl_work *work, const pl_block *block,
                                     const float **features) {
    int64_t count = 0, r, t;
    for (r = 0; r < block->rows; r++)
        for (t = NAME(wanted)(model, block, r); t < block->begin[r] + block->count[r]; t++)
            features[count++] = model->attention ? NAME(attend)(model, work, block, r)
                                                 : NAME(item)(model, work, block, r, t) + model->feature_column;
    return count;
}
