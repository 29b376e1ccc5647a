"""Which file holds each function of Keras 2's `keras.backend`."""

HOME = {
    "k_math": (
        "abs all any arange argmax argmin batch_dot batch_flatten cast cast_to_floatx clip concatenate cos cumprod "
        "cumsum dot elu equal exp expand_dims flatten gather greater greater_equal hard_sigmoid identity in_top_k "
        "l2_normalize less less_equal log logsumexp max maximum mean min minimum not_equal one_hot ones_like "
        "permute_dimensions pow prod py_all py_any py_slice py_sum relu repeat repeat_elements reshape reverse round "
        "sigmoid sign sin slice softmax softplus softsign sqrt square squeeze stack std stop_gradient sum tanh tile "
        "transpose var zeros_like"
    ),
    "k_nn": (
        "batch_normalization bias_add binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
        "categorical_focal_crossentropy conv1d conv2d conv2d_transpose conv3d conv3d_transpose ctc_batch_cost "
        "ctc_decode depthwise_conv2d dropout normalize_batch_in_training normalize_data_format pool2d pool3d "
        "random_bernoulli random_binomial random_normal random_uniform resize_images resize_volumes separable_conv1d "
        "separable_conv2d sparse_categorical_crossentropy spatial_2d_padding spatial_3d_padding temporal_padding "
        "truncated_normal"
    ),
    "k_nodes": "gradients in_train_phase learning_phase learning_phase_scope set_learning_phase shape",
    "k_graph": (
        "Function batch_get_value batch_set_value constant control_dependencies count_params dtype eager eval eye "
        "function get_graph get_session get_value get_variable_shape image_dim_ordering in_test_phase int_shape "
        "is_placeholder is_sparse is_symbolic is_tensor is_variable manual_variable_initialization "
        "moving_average_update name_scope ndim ones placeholder print_tensor random_normal_variable "
        "random_uniform_variable reset_uids set_image_dim_ordering set_session set_value size switch symbolic "
        "to_dense update update_add update_sub v1_variable_initialization variable zeros"
    ),
    "k_loops": "foldl foldr map_fn rnn",
}
FUNCTIONS = {name: module for module, names in HOME.items() for name in names.split()}
