"""Operators whose inputs and outputs tell each other's shape or dtype: facts, asked of MXNet 1.9.1."""

# All inputs and outputs have one shape.
SHAPES = frozenset(
    """
    Activation BlockGrad Cast SoftmaxActivation _contrib_div_sqrt_dim _contrib_gradientmultiplier _contrib_quadratic
    _contrib_round_ste _contrib_sign_ste _copy _copyto _div_scalar _equal _equal_scalar _grad_add _greater
    _greater_equal _greater_equal_scalar _greater_scalar _hypot _hypot_scalar _identity_with_attr_like_rhs _lesser
    _lesser_equal _lesser_equal_scalar _lesser_scalar _linalg_potrf _linalg_potri _logical_and _logical_and_scalar
    _logical_or _logical_or_scalar _logical_xor _logical_xor_scalar _maximum _maximum_scalar _minimum _minimum_scalar
    _minus_scalar _mod _mod_scalar _mul_scalar _not_equal _not_equal_scalar _np_copy _npi_abs _npi_absolute
    _npi_add_scalar _npi_arccos _npi_arccosh _npi_arcsin _npi_arcsinh _npi_arctan _npi_arctan2_scalar _npi_arctanh
    _npi_around _npi_bitwise_and_scalar _npi_bitwise_not _npi_bitwise_or_scalar _npi_bitwise_xor_scalar _npi_cbrt
    _npi_ceil _npi_clip _npi_copysign_scalar _npi_cos _npi_cosh _npi_degrees _npi_equal_scalar _npi_exp _npi_expm1
    _npi_fix _npi_flip _npi_floor _npi_full_like _npi_greater_equal_scalar _npi_greater_scalar _npi_hypot_scalar
    _npi_isfinite _npi_isinf _npi_isnan _npi_isneginf _npi_isposinf _npi_lcm_scalar _npi_ldexp_scalar
    _npi_less_equal_scalar _npi_less_scalar _npi_log _npi_log10 _npi_log1p _npi_log2 _npi_logical_not
    _npi_maximum_scalar _npi_minimum_scalar _npi_mod_scalar _npi_multiply_scalar _npi_nan_to_num _npi_negative
    _npi_not_equal_scalar _npi_power_scalar _npi_radians _npi_rarctan2_scalar _npi_rcopysign_scalar _npi_reciprocal
    _npi_rint _npi_rldexp_scalar _npi_rmod_scalar _npi_rpower_scalar _npi_rsubtract_scalar _npi_rtrue_divide_scalar
    _npi_shuffle _npi_sign _npi_sin _npi_sinh _npi_sqrt _npi_square _npi_subtract_scalar _npi_tan _npi_tanh
    _npi_true_divide_scalar _npi_trunc _npi_where_scalar2 _plus_scalar _power _power_scalar _random_exponential_like
    _random_gamma_like _random_generalized_negative_binomial_like _random_negative_binomial_like _random_normal_like
    _random_poisson_like _random_uniform_like _rdiv_scalar _rminus_scalar _rmod_scalar _rpower_scalar
    _scatter_elemwise_div _scatter_minus_scalar _scatter_plus_scalar _shuffle abs add_n amp_cast amp_multicast arccos
    arccosh arcsin arcsinh arctan arctanh cast_storage cbrt ceil clip cos cosh degrees elemwise_add elemwise_div
    elemwise_mul elemwise_sub erf erfinv exp expm1 fix floor gamma gammaln hard_sigmoid log log10 log1p log2 log_softmax
    logical_not make_loss negative ones_like radians rcbrt reciprocal relu reverse rint round rsqrt sigmoid sign sin
    sinh smooth_l1 softmin softsign sqrt square tan tanh trunc zeros_like
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)

# All inputs and outputs have one dtype.
DTYPES = frozenset(
    """
    Activation BlockGrad Concat Convolution Correlation Deconvolution Dropout Flatten FullyConnected GroupNorm
    InstanceNorm L2Normalization LRN LayerNorm LeakyReLU LinearRegressionOutput LogisticRegressionOutput
    MAERegressionOutput Pad Pooling RNN Reshape SliceChannel SoftmaxActivation SoftmaxOutput SwapAxis UpSampling
    _contrib_AdaptiveAvgPooling2D _contrib_BilinearResize2D _contrib_arange_like _contrib_bipartite_matching
    _contrib_box_decode _contrib_box_encode _contrib_box_iou _contrib_box_nms _contrib_div_sqrt_dim
    _contrib_gradientmultiplier _contrib_interleaved_matmul_encdec_qk _contrib_interleaved_matmul_encdec_valatt
    _contrib_interleaved_matmul_selfatt_qk _contrib_interleaved_matmul_selfatt_valatt _contrib_quadratic
    _contrib_round_ste _contrib_sign_ste _copy _cvcopyMakeBorder _cvimresize _div_scalar _equal _equal_scalar
    _grad_add _greater _greater_equal _greater_equal_scalar _greater_scalar _hypot _hypot_scalar
    _identity_with_attr_like_rhs _image_adjust_lighting _image_crop _image_flip_left_right _image_flip_top_bottom
    _image_normalize _image_random_brightness _image_random_color_jitter _image_random_contrast
    _image_random_flip_left_right _image_random_flip_top_bottom _image_random_hue _image_random_lighting
    _image_random_saturation _image_resize _lesser _lesser_equal _lesser_equal_scalar _lesser_scalar
    _linalg_extractdiag _linalg_extracttrian _linalg_gelqf _linalg_gemm _linalg_gemm2 _linalg_inverse
    _linalg_makediag _linalg_maketrian _linalg_sumlogdiag _linalg_syevd _linalg_syrk _linalg_trmm _linalg_trsm
    _logical_and _logical_and_scalar _logical_or _logical_or_scalar _logical_xor _logical_xor_scalar _maximum
    _maximum_scalar _minimum _minimum_scalar _minus_scalar _mod _mod_scalar _mul_scalar _not_equal _not_equal_scalar
    _np_atleast_1d _np_atleast_2d _np_atleast_3d _np_copy _np_diag _np_diagflat _np_diagonal _np_dot _np_max _np_min
    _np_moveaxis _np_prod _np_repeat _np_reshape _np_roll _np_squeeze _np_sum _np_trace _np_transpose _npi_abs
    _npi_absolute _npi_add _npi_add_scalar _npi_arccos _npi_arccosh _npi_arcsin _npi_arcsinh _npi_arctan
    _npi_arctan2_scalar _npi_arctanh _npi_around _npi_average _npi_bitwise_not _npi_broadcast_to _npi_cbrt _npi_ceil
    _npi_cholesky _npi_clip _npi_column_stack _npi_concatenate _npi_copysign _npi_copysign_scalar _npi_cos _npi_cosh
    _npi_degrees _npi_diff _npi_dstack _npi_einsum _npi_exp _npi_expand_dims _npi_expm1 _npi_fix _npi_flip
    _npi_floor _npi_hstack _npi_hypot_scalar _npi_inv _npi_ldexp _npi_ldexp_scalar _npi_log _npi_log10 _npi_log1p
    _npi_log2 _npi_matmul _npi_maximum _npi_maximum_scalar _npi_minimum _npi_minimum_scalar _npi_mod _npi_mod_scalar
    _npi_multiply _npi_multiply_scalar _npi_nan_to_num _npi_negative _npi_pad _npi_polyval _npi_power
    _npi_power_scalar _npi_radians _npi_rarctan2_scalar _npi_rcopysign_scalar _npi_reciprocal _npi_rint
    _npi_rldexp_scalar _npi_rmod_scalar _npi_rot90 _npi_rpower_scalar _npi_rsubtract_scalar _npi_shuffle _npi_sign
    _npi_sin _npi_sinh _npi_sort _npi_sqrt _npi_square _npi_stack _npi_std _npi_subtract _npi_subtract_scalar
    _npi_svd _npi_tan _npi_tanh _npi_tensordot _npi_tensordot_int_axes _npi_tile _npi_tril _npi_trunc _npi_var
    _npi_vstack _npx_reshape _onehot_encode _plus_scalar _power _power_scalar _random_exponential_like
    _random_gamma_like _random_generalized_negative_binomial_like _random_negative_binomial_like _random_normal_like
    _random_pdf_dirichlet _random_pdf_exponential _random_pdf_gamma _random_pdf_generalized_negative_binomial
    _random_pdf_negative_binomial _random_pdf_normal _random_pdf_poisson _random_pdf_uniform _random_poisson_like
    _random_uniform_like _ravel_multi_index _rdiv_scalar _rminus_scalar _rmod_scalar _rnn_param_concat
    _rpower_scalar _scatter_elemwise_div _scatter_minus_scalar _scatter_plus_scalar _shuffle _slice_assign
    _slice_assign_scalar _square_sum _unravel_index abs add_n arccos arccosh arcsin arcsinh arctan arctanh argmax
    argmax_channel argmin batch_dot broadcast_add broadcast_axis broadcast_div broadcast_equal broadcast_greater
    broadcast_greater_equal broadcast_hypot broadcast_lesser broadcast_lesser_equal broadcast_like
    broadcast_logical_and broadcast_logical_or broadcast_logical_xor broadcast_maximum broadcast_minimum
    broadcast_mod broadcast_mul broadcast_not_equal broadcast_power broadcast_sub broadcast_to cbrt ceil clip cos
    cosh degrees depth_to_space diag dot elemwise_add elemwise_div elemwise_mul elemwise_sub erf erfinv exp
    expand_dims expm1 fill_element_0index fix floor gamma gammaln hard_sigmoid khatri_rao log log10 log1p log2
    logical_not make_loss max mean min moments nanprod nansum negative norm ones_like prod radians rcbrt reciprocal
    relu repeat reshape_like reverse rint round rsqrt sigmoid sign sin sinh slice slice_axis slice_like smooth_l1
    softmax_cross_entropy softsign sort space_to_depth sqrt square squeeze stack sum tan tanh tile transpose trunc
    zeros_like
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)
